#!/usr/bin/env python3
# Makes cases.json: Diffie-Hellman in RFC 3526 group 14 as `a2a/1` has it, in the style of Project Wycheproof. An oracle of its
# own: Python's integers and pow, DER written by hand, the prime by the RFC's formula; it shares no code with the crates.
#
# Usage: python3 make.py > cases.json      (the same bytes each time)
import hashlib
import json


def pi_times_two_to_the(bits):
    """Machin: pi = 16 arctan(1/5) - 4 arctan(1/239), rounded down."""
    one = 1 << (bits + 64)

    def arctan_of_inverse(x):
        power, total, n = one // x, 0, 0
        while power:
            total += (-1) ** n * (power // (2 * n + 1))
            power //= x * x
            n += 1
        return total

    return (16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)) >> 64


P = 2**2048 - 2**1984 - 1 + 2**64 * (pi_times_two_to_the(1918) + 124476)
Q = (P - 1) // 2
G = 2
DH = bytes([6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 3, 1])
X942 = bytes([6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3E, 2, 1])

assert hashlib.sha256(P.to_bytes(256)).hexdigest() == "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e"
assert pow(G, Q, P) == 1 and pow(3, P - 1, P) == 1


def tlv(tag, content):
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + length + content


def integer(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1))


def key(y, p=P, g=G, oid=DH, more=b"", parameters=None, unused=0):
    parameters = tlv(0x30, integer(p) + integer(g) + more) if parameters is None else parameters
    public = integer(y) if isinstance(y, int) else y
    return tlv(0x30, tlv(0x30, oid + parameters) + tlv(3, bytes([unused]) + public))


def number(label, bits):
    """The same for the same label, and nobody's choice."""
    stream = b"".join(hashlib.sha256(f"a2a/1 modp {label} {i}".encode()).digest() for i in range(8))
    return int.from_bytes(stream) >> (2048 - bits)


def exponent(label):
    """Odd, and so without a common factor with p - 1: each value is somebody's power."""
    return number(label, 256) | 1


def root(value, x):
    """The y of which `value` is the x-th power."""
    return pow(value, pow(x, -1, P - 1), P)


CASES = []


def add(flag, comment, x, der, shared=None):
    case = {"tcId": len(CASES) + 1, "comment": comment, "flags": [flag], "private": x.to_bytes(32).hex(), "public": der.hex()}
    if shared is not None:
        case["own"] = pow(G, x, P).to_bytes(256).hex()
        case["shared"] = shared.to_bytes(256).hex()
    case["result"] = "invalid" if shared is None else "valid"
    CASES.append(case)


def valid(flag, comment, x, y):
    assert 2 <= y <= P - 2 and 0 < x < 2**256
    add(flag, comment, x, key(y), pow(y, x, P))


def invalid(flag, comment, der, x=None):
    add(flag, comment, exponent(comment) if x is None else x, der)


for i in range(8):
    valid("Normal", "two honest parties", number(f"one {i}", 256), pow(G, number(f"other {i}", 256), P))

for comment, y in [
    ("y = 2", 2), ("y = 3", 3), ("y = 4", 4), ("y = p - 2", P - 2), ("y = p - 3", P - 3), ("y = (p - 1) / 2", Q),
    ("y = (p + 1) / 2", Q + 1), ("y = 2^64", 2**64), ("y = 2^64 - 1", 2**64 - 1), ("y = 2^1024", 2**1024),
    ("y = 2^2047", 2**2047), ("y = 2^2047 - 1", 2**2047 - 1), ("y = 2^2048 - 2^1984 - 1", 2**2048 - 2**1984 - 1),
    ("y of one byte", 0x7F), ("y of one byte, with a leading zero in DER", 0x80),
    ("y not in the subgroup of order q", P - 4),
]:
    valid("EdgeCasePublicKey", comment, exponent(comment), y)

for comment, x in [
    ("x = 1", 1), ("x = 2", 2), ("x = 3", 3), ("x = 16", 16), ("x = 2^64", 2**64), ("x = 2^128 - 1", 2**128 - 1),
    ("x = 2^248", 2**248), ("x = 2^255", 2**255), ("x = 2^256 - 1", 2**256 - 1), ("x = 2^256 - 2", 2**256 - 2),
    ("x of 1s in every window", int("1" * 64, 16)), ("x of 8s in every window", int("8" * 64, 16)),
    ("x with a zero first byte", number("short", 248)), ("x with 31 zero last bytes", 0x5A << 248),
]:
    valid("EdgeCasePrivateKey", comment, x, pow(G, number(comment, 256), P))

for comment, shared in [
    ("shared secret 2: 255 leading zero bytes", 2), ("shared secret 255", 255), ("shared secret 256", 256),
    ("shared secret p - 2", P - 2), ("shared secret (p - 1) / 2", Q), ("shared secret 2^1024", 2**1024),
    ("shared secret 2^2040 - 1: a leading zero byte", 2**2040 - 1), ("shared secret 2^2047", 2**2047),
    ("shared secret with 64 trailing zero bits", 2**2047 - 2**64),
    ("shared secret 2^2048 mod p, Montgomery's one", 2**2048 - P),
]:
    x = exponent(comment)
    valid("EdgeCaseShared", comment, x, root(shared, x))

for power in [3, 5, 7, 9, 11, 13, 15]:
    for name, value in [("2^2048 mod p", 2**2048 - P), ("p - 2", P - 2)]:
        comment = f"y^{power} = {name}: an edge among the powers that are used"
        valid("EdgeCaseMultiplication", comment, exponent(comment), root(value, power))

valid("EdgeCasePublicKey", "y = p - 2, x even: the same as for 2", exponent("even") - 1, P - 2)

for comment, y in [
    ("y = 0", 0), ("y = 1", 1), ("y = p - 1", P - 1), ("y = p", P), ("y = p + 1", P + 1), ("y = p + 2", P + 2),
    ("y = 2p - 2", 2 * P - 2), ("y = 2^2048 - 1", 2**2048 - 1), ("y = 2^2048", 2**2048), ("y = p^2 + 2", P * P + 2),
]:
    invalid("OutOfRange", comment, key(y))

for comment, der in [
    ("p - 2", key(4, p=P - 2)), ("p + 2", key(4, p=P + 2)), ("q", key(4, p=Q)), ("a small prime", key(4, p=23)),
    ("p = 0", key(4, p=0)), ("g = 0", key(4, g=0)), ("g = 1", key(4, g=1)), ("g = 3", key(4, g=3)),
    ("g = 5", key(4, g=5)), ("g = p - 1", key(4, g=P - 1)), ("p and g swapped", key(4, p=G, g=P)),
    ("no generator", key(4, parameters=tlv(0x30, integer(P)))), ("empty parameters", key(4, parameters=tlv(0x30, b""))),
    ("NULL parameters", key(4, parameters=b"\5\0")), ("no parameters", key(4, parameters=b"")),
    ("negative p", key(4, parameters=tlv(0x30, tlv(2, P.to_bytes(256)) + integer(G)))),
]:
    invalid("WrongGroup", comment, der)

GOOD = key(4)
for comment, der in [
    ("empty", b""), ("cut by a byte", GOOD[:-1]), ("a byte behind", GOOD + b"\0"), ("length in 3 bytes", b"\x30\x83\0" + GOOD[2:]),
    ("indefinite length", b"\x30\x80" + GOOD[4:] + b"\0\0"), ("a byte behind y", key(integer(4) + b"\0")),
    ("negative y", key(b"\2\1\x84")), ("y with a needless zero", key(b"\2\2\0\4")), ("y without content", key(b"\2\0")),
    ("y as OCTET STRING", key(b"\4\1\4")), ("unused bits", key(4, unused=1)),
    ("privateValueLength", key(4, more=integer(256))), ("X9.42's identifier", key(4, oid=X942)),
    ("y alone, 256 bytes", number("raw", 2047).to_bytes(256)),
    ("y of 255 bytes alone", number("raw", 2039).to_bytes(255)),
]:
    invalid("WrongEncoding", comment, der)

invalid("ZeroPrivateKey", "x = 0", GOOD, x=0)

groups = []
for flag in dict.fromkeys(case["flags"][0] for case in CASES):
    groups.append({"type": flag, "tests": [case for case in CASES if case["flags"] == [flag]]})
header = {
    "algorithm": "DH",
    "group": "RFC 3526 group 14, generator 2, exponents of 256 bits",
    "numberOfTests": len(CASES),
    "header": ["private: the exponent; public: the peer's share in DER; own: g^x mod p; shared: y^x mod p, 256 bytes"],
}
lines = ",\n".join(
    '    {"type": ' + json.dumps(group["type"]) + ', "tests": [\n'
    + ",\n".join("      " + json.dumps(case) for case in group["tests"]) + "\n    ]}"
    for group in groups
)
print(json.dumps(header, indent=2)[:-2] + ',\n  "testGroups": [\n' + lines + "\n  ]\n}")
