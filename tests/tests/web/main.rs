//! The daemon's web server as people meet it: the status page in a browser, curl, and `rollcall top` in a terminal.

mod access;
mod page;
mod top;
