-- Everything the controller remembers. SQLite and PostgreSQL both take this file: TEXT and BIGINT alone, binary as
-- hexadecimal, structures as JSON, times in Unix seconds.

-- One row. Every change begins by raising `version`, which is the one lock that all changes take.
CREATE TABLE state (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,
    controller_id TEXT,
    key_id TEXT,
    list_number BIGINT NOT NULL,
    longest_life BIGINT NOT NULL,
    audit_seq BIGINT NOT NULL,
    audit_hash TEXT NOT NULL
);
INSERT INTO state (id, version, list_number, longest_life, audit_seq, audit_hash)
VALUES (1, 0, 0, 0, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE agents (
    agent_id TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    status TEXT NOT NULL,
    enrolled_at BIGINT NOT NULL,
    not_before BIGINT,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    certificate TEXT NOT NULL
);
CREATE INDEX agents_not_before ON agents (not_before);

CREATE TABLE certificates (
    serial TEXT NOT NULL PRIMARY KEY,
    nonce TEXT NOT NULL UNIQUE,
    agent_id TEXT NOT NULL REFERENCES agents (agent_id) DEFERRABLE INITIALLY DEFERRED,
    key_id TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BIGINT NOT NULL CHECK (revoked IN (0, 1))
);
CREATE INDEX certificates_agent_id ON certificates (agent_id);
CREATE INDEX certificates_expires_at ON certificates (expires_at);
CREATE INDEX certificates_revoked ON certificates (revoked);

CREATE TABLE revoked_keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    agent_id TEXT REFERENCES agents (agent_id) DEFERRABLE INITIALLY DEFERRED,
    revoked_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    agent_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_at BIGINT,
    serial TEXT
);
CREATE INDEX tokens_expires_at ON tokens (expires_at);

CREATE TABLE approvals (
    agent_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    card_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decision TEXT NOT NULL,
    PRIMARY KEY (agent_id, key_id, card_hash)
);
CREATE INDEX approvals_expires_at ON approvals (expires_at);

CREATE TABLE successions (
    number BIGINT NOT NULL PRIMARY KEY,
    statement TEXT NOT NULL
);

CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    agent_id TEXT,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_agent_id ON audit (agent_id);
