//! The names that servers and people give to columns and members.

/// What a value is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Time,
    Client,
    ClientPort,
    Forwarded,
    User,
    Method,
    Target,
    Query,
    RequestLine,
    Version,
    Host,
    Agent,
    Status,
    RequestBytes,
    ResponseBytes,
    ResponseType,
    DurationUs,
    Server,
    ServerPort,
}

impl Field {
    pub(super) const COUNT: usize = Field::ServerPort as usize + 1;
}

/// No name that is known is longer.
const LONGEST: usize = 32;

/// What the value called `name` is about, and how far others of that field go before it, from 0. Case, and whatever is neither
/// a letter nor a digit, do not matter.
pub(super) fn find(name: &[u8]) -> Option<(Field, u8)> {
    let mut folded = [0; LONGEST];
    let mut length = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        *folded.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    Some(match &folded[..length] {
        // Rollcall; nginx and Caddy to the millisecond; Traefik and Envoy when the call began.
        b"at" => (Field::Time, 0),
        b"ts" | b"msec" | b"startutc" | b"starttime" => (Field::Time, 1),
        b"timeiso8601" | b"timestamp" => (Field::Time, 2),
        b"time" | b"datetime" => (Field::Time, 3),
        b"timelocal" | b"startlocal" | b"date" => (Field::Time, 4),
        b"clientip" => (Field::Client, 0),
        b"remoteaddr" | b"remoteip" | b"clienthost" | b"remoteaddress" | b"downstreamremoteaddress" => {
            (Field::Client, 1)
        }
        b"clientaddr" | b"clientaddress" | b"remotehost" | b"downstreamdirectremoteaddress" => {
            (Field::Client, 2)
        }
        b"ip" | b"client" | b"sourceip" | b"srcip" | b"peer" | b"idorigh" => (Field::Client, 3),
        b"clientport" | b"remoteport" => (Field::ClientPort, 0),
        b"xforwardedfor" | b"httpxforwardedfor" | b"requestxforwardedfor" | b"forwardedfor" => {
            (Field::Forwarded, 0)
        }
        b"user" | b"remoteuser" | b"clientusername" | b"authuser" => (Field::User, 0),
        b"userid" | b"username" => (Field::User, 1),
        b"method" | b"requestmethod" | b"httpmethod" => (Field::Method, 0),
        b"verb" => (Field::Method, 1),
        b"target" | b"requesturi" => (Field::Target, 0),
        b"url" | b"requesturl" | b"requestpath" => (Field::Target, 1),
        b"uri" => (Field::Target, 2),
        b"path" => (Field::Target, 3),
        b"args" | b"querystring" => (Field::Query, 0),
        b"query" => (Field::Query, 1),
        b"request" | b"requestline" => (Field::RequestLine, 0),
        b"version" | b"protocol" | b"serverprotocol" | b"requestprotocol" | b"proto" | b"httpversion" => {
            (Field::Version, 0)
        }
        b"host" | b"httphost" | b"requesthost" | b"authority" | b"vhost" => (Field::Host, 0),
        b"useragent" | b"httpuseragent" | b"requestuseragent" => (Field::Agent, 0),
        b"agent" => (Field::Agent, 1),
        b"status" | b"statuscode" | b"responsecode" | b"downstreamstatus" | b"responsestatus"
        | b"httpstatus" => (Field::Status, 0),
        b"response" | b"originstatus" | b"code" => (Field::Status, 1),
        b"requestbytes" | b"requestlength" | b"bytesreceived" | b"requestcontentsize" | b"requestsize" => {
            (Field::RequestBytes, 0)
        }
        b"bytesread" => (Field::RequestBytes, 1),
        b"responsebytes" | b"bytessent" | b"responsesize" => (Field::ResponseBytes, 0),
        b"bodybytessent" | b"downstreamcontentsize" | b"size" | b"bytes" => (Field::ResponseBytes, 1),
        b"senthttpcontenttype" | b"responsecontenttype" | b"responsetype" => (Field::ResponseType, 0),
        b"contenttype" | b"mimetype" | b"upstreamhttpcontenttype" => (Field::ResponseType, 1),
        b"durationus" => (Field::DurationUs, 0),
        b"serverip" | b"serveraddr" => (Field::Server, 0),
        b"serverport" => (Field::ServerPort, 0),
        _ => return None,
    })
}
