//! From a row's columns to the types that the program reckons with, and back. What does not fit was not written by this
//! program.

use std::fmt::Display;
use std::str::FromStr;

use a2a_core::time::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::StoreError;

/// A word, an id, a hash.
pub(super) fn parsed<T: FromStr<Err: Display>>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    row.try_get::<&str, _>(column)?.parse().map_err(|error| damaged(column, &error))
}

/// As [`parsed`], of a column that may be null.
pub(super) fn parsed_if_any<T: FromStr<Err: Display>>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|error| damaged(column, &error))).transpose()
}

/// A structure.
pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| damaged(column, &error))
}

/// A count or a number of a series.
pub(super) fn number(row: &AnyRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| damaged(column, &error))
}

/// A time.
pub(super) fn time(row: &AnyRow, column: &'static str) -> Result<UnixTime, StoreError> {
    number(row, column).map(UnixTime::from_secs)
}

/// As [`time`], of a column that may be null.
pub(super) fn time_if_any(row: &AnyRow, column: &'static str) -> Result<Option<UnixTime>, StoreError> {
    let secs: Option<i64> = row.try_get(column)?;
    let secs = secs.map(u64::try_from).transpose().map_err(|error| damaged(column, &error))?;
    Ok(secs.map(UnixTime::from_secs))
}

/// A number as the database takes it; what it cannot hold becomes the largest that it can.
pub(super) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as the database takes it.
pub(super) fn seconds(time: UnixTime) -> i64 {
    bigint(time.as_secs())
}

/// A structure as the database takes it.
pub(super) fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Database(sqlx::Error::Encode(error.into())))
}

fn damaged(column: &str, reason: &dyn Display) -> StoreError {
    StoreError::Damaged(format!("column {column}: {reason}"))
}
