//! Tests of real server processes, from the smallest contract to a killed server.

mod conversation;
mod desk;
mod hostile;
mod resume;
mod upkeep;
