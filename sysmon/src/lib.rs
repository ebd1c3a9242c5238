//! sysmon
