//! Names of parameters: which hold objects, and which turn the pages of a list.
//!
//! Names are judged alike wherever they stand: in the query, in a form, in JSON, as arguments of GraphQL.

use std::{fmt, str::FromStr};

use super::spelling;

/// Names of accounts and of what leads to one, in lower case.
const OBJECTS: [&str; 174] = [
    "account",
    "accountid",
    "accountids",
    "accountno",
    "accountnumber",
    "accounts",
    "acct",
    "acctid",
    "acctno",
    "accts",
    "actor",
    "assignee",
    "author",
    "authors",
    "awb",
    "beneficiary",
    "booking",
    "bookingno",
    "bookingref",
    "bsn",
    "citizen",
    "claim",
    "claimno",
    "claimnumber",
    "cnpj",
    "contract",
    "contractno",
    "contractnumber",
    "contracts",
    "cpf",
    "creditor",
    "customer",
    "customerid",
    "customerids",
    "customerno",
    "customernumber",
    "customers",
    "debtor",
    "did",
    "dni",
    "docno",
    "documentno",
    "driver",
    "email",
    "emails",
    "employee",
    "employeeno",
    "employees",
    "employer",
    "esn",
    "guid",
    "guids",
    "holder",
    "iban",
    "iccid",
    "id",
    "identifier",
    "identifiers",
    "ids",
    "imei",
    "imeis",
    "imsi",
    "insured",
    "invoice",
    "invoiceno",
    "invoiceref",
    "invoices",
    "kundennr",
    "kundennummer",
    "licenceplate",
    "licenseplate",
    "login",
    "logins",
    "mail",
    "matricule",
    "member",
    "memberid",
    "memberids",
    "memberno",
    "membernumber",
    "members",
    "meternumber",
    "mobile",
    "mobileno",
    "mobilenumber",
    "mrn",
    "mrns",
    "msisdn",
    "msisdns",
    "nhsno",
    "nickname",
    "nie",
    "nif",
    "nino",
    "npi",
    "orderid",
    "orderids",
    "orderno",
    "ordernumber",
    "orderref",
    "owner",
    "owners",
    "passport",
    "patient",
    "patientid",
    "patientids",
    "patientno",
    "patients",
    "payee",
    "payer",
    "paymentref",
    "person",
    "persons",
    "pesel",
    "phone",
    "phoneno",
    "phonenumber",
    "phones",
    "plate",
    "pnr",
    "policyholder",
    "policyno",
    "policynumber",
    "rechnungsnr",
    "recipient",
    "registrationno",
    "regno",
    "reporter",
    "requester",
    "reservation",
    "reservations",
    "resident",
    "screenname",
    "sellerno",
    "serialno",
    "shipment",
    "shipments",
    "siret",
    "ssn",
    "ssnno",
    "staffno",
    "student",
    "students",
    "subscriber",
    "subscriberids",
    "subscriberno",
    "subscribers",
    "supplier",
    "taxno",
    "taxnumber",
    "taxpayer",
    "trackingcode",
    "trackingno",
    "trackingnumber",
    "trackno",
    "uid",
    "uids",
    "upn",
    "user",
    "userid",
    "userids",
    "username",
    "usernames",
    "users",
    "uuid",
    "uuids",
    "vatno",
    "vehicleno",
    "vertragsnr",
    "vin",
    "vins",
    "visitorno",
    "voucher",
    "waybill",
];

/// What comes before `_id` in names that mark calls, visits and applications rather than accounts: their
/// values may all differ without anybody having been read.
const EXCEPT: [&str; 22] = [
    "request",
    "req",
    "trace",
    "span",
    "correlation",
    "session",
    "visit",
    "visitor",
    "event",
    "message",
    "transaction",
    "txn",
    "client",
    "app",
    "application",
    "api",
    "device",
    "utm",
    "tracking",
    "click",
    "campaign",
    "page",
];

/// Endings that mean identifier, and identifiers.
const ENDINGS: [&str; 17] = [
    "_id", "-id", ".id", "_ID", "-ID", "Id", "ID", "_ids", "-ids", ".ids", "_IDs", "Ids", "IDs", "_uuid",
    "Uuid", "_uuids", "Uuids",
];

/// Endings that mean a number by which people call a thing, whatever stands before them.
const NUMBERS: [&str; 10] =
    ["_no", "_nr", "_number", "No", "Nr", "Number", "_ref", "Ref", "_reference", "Reference"];

/// Names with such an ending that count, or name a page.
const COUNTS: [&str; 8] = [
    "build_number",
    "buildNumber",
    "line_number",
    "lineNumber",
    "page_no",
    "page_number",
    "sequence_number",
    "sequenceNumber",
];

/// Words in `id` that are no names of identifiers, though nothing parts the ending from what comes before it, as in
/// `policyid`. Names of clicks among them, which advertisers add to each link.
const WORDS: [&str; 72] = [
    "acid",
    "aid",
    "amid",
    "android",
    "arid",
    "asid",
    "asteroid",
    "avid",
    "avoid",
    "bid",
    "bssid",
    "centroid",
    "cid",
    "colloid",
    "covid",
    "cuboid",
    "dclid",
    "eid",
    "ellipsoid",
    "fbclid",
    "fluid",
    "forbid",
    "gbraid",
    "gclid",
    "geoid",
    "gid",
    "grid",
    "hid",
    "humid",
    "hybrid",
    "igshid",
    "invalid",
    "kid",
    "laid",
    "lid",
    "lipid",
    "liquid",
    "lucid",
    "maid",
    "mid",
    "morbid",
    "msclkid",
    "orchid",
    "overpaid",
    "paid",
    "pid",
    "plaid",
    "polaroid",
    "postpaid",
    "prepaid",
    "pyramid",
    "raid",
    "rapid",
    "rid",
    "rigid",
    "said",
    "sid",
    "skid",
    "solid",
    "ssid",
    "steroid",
    "tabloid",
    "thyroid",
    "tid",
    "ttclid",
    "unpaid",
    "valid",
    "vid",
    "vivid",
    "void",
    "wbraid",
    "yclid",
];

/// Names of operators, without the sign in front of them.
const OPERATORS: [&str; 16] = [
    "all", "any", "contains", "eq", "equal", "equals", "exact", "gt", "gte", "iexact", "ilike", "in", "is",
    "like", "lt", "lte",
];

/// Names that say which part of a list is asked for, in lower case and without separators.
const PAGES: [&str; 24] = [
    "after",
    "before",
    "continuation",
    "continuationtoken",
    "cursor",
    "endingbefore",
    "marker",
    "maxid",
    "nextcursor",
    "nextpage",
    "nextpagetoken",
    "nexttoken",
    "offset",
    "page",
    "pageindex",
    "pageno",
    "pagenumber",
    "pagetoken",
    "sinceid",
    "skip",
    "start",
    "startat",
    "startindex",
    "startingafter",
];

/// What parts words in names.
const SEPARATORS: [char; 3] = ['_', '-', '.'];

/// The longest parameter name that is looked at.
pub(super) const LONGEST_NAME: usize = 64;

/// What a parameter is to detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// An object, or several.
    Object,
    /// A place in a list.
    Page,
    Nothing,
}

/// A name that the operator gave: `--object-param`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectParam {
    name: String,
    /// It holds an object; else it does not, whatever it looks like.
    holds: bool,
}

/// Why a text is none.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "not the name of a parameter: {0:?} (write a name like customer_no, or !NAME to leave one out; at most {LONGEST_NAME} characters)"
)]
pub struct ObjectParamError(String);

impl FromStr for ObjectParam {
    type Err = ObjectParamError;

    fn from_str(text: &str) -> Result<ObjectParam, ObjectParamError> {
        let trimmed = text.trim();
        let name = trimmed.strip_prefix('!').unwrap_or(trimmed);
        let usable = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=?#!\"".contains(&byte));
        if !usable {
            return Err(ObjectParamError(text.to_owned()));
        }
        Ok(ObjectParam { name: name.to_ascii_lowercase(), holds: name.len() == trimmed.len() })
    }
}

/// As [`ObjectParam::from_str`] reads it.
impl fmt::Display for ObjectParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.holds { "" } else { "!" }, self.name)
    }
}

/// What names mean: as the operator said, else by convention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<ObjectParam>);

impl Names {
    /// The conventions, and `given` before them.
    pub fn new(given: Vec<ObjectParam>) -> Names {
        Names(given)
    }

    /// What the parameter called `name` holds, as servers read the name. With `given_only`, conventions don't count.
    pub(super) fn judge(&self, name: &[u8], given_only: bool) -> Holds {
        let mut buffer = [0; LONGEST_NAME];
        match plain(name, &mut buffer).map(std::str::from_utf8) {
            Some(Ok(name)) => self.of(name, given_only),
            _ => Holds::Nothing,
        }
    }

    fn of(&self, name: &str, given_only: bool) -> Holds {
        let inner = without_operator(innermost(name));
        let given = |param: &&ObjectParam| {
            param.name.eq_ignore_ascii_case(name) || param.name.eq_ignore_ascii_case(inner)
        };
        match self.0.iter().find(given) {
            Some(param) if param.holds => Holds::Object,
            Some(_) => Holds::Nothing,
            None if given_only => Holds::Nothing,
            None if is_page(inner) || is_page_of(name) => Holds::Page,
            None if is_object(inner) => Holds::Object,
            None => Holds::Nothing,
        }
    }
}

/// `name` as servers read it: without blanks around it and what stands behind a NUL; blanks inside are `_` to PHP. `None`
/// if it is longer than names are.
fn plain<'a>(name: &'a [u8], buffer: &'a mut [u8; LONGEST_NAME]) -> Option<&'a [u8]> {
    if !name.iter().any(|byte| matches!(byte, 0..=b' ' | b'+' | b'%' | 0x7f..)) {
        return (name.len() <= LONGEST_NAME).then_some(name);
    }
    let mut decoded = Vec::new();
    let mut name = spelling::decoded(name, &mut decoded);
    loop {
        let length = name.len();
        name = spelling::bare(name);
        name = name.strip_prefix(b"+").unwrap_or(name);
        name = name.strip_suffix(b"+").unwrap_or(name);
        if name.len() == length {
            break;
        }
    }
    let out = buffer.get_mut(..name.len())?;
    for (to, &byte) in out.iter_mut().zip(name) {
        *to = if b" +".contains(&byte) { b'_' } else { byte };
    }
    Some(out)
}

/// Whether `name` says how the value under it is compared: it holds what the name around it does. `id[$eq]=17`, and
/// `where: {id: {_eq: 17}}` of GraphQL.
pub(super) fn is_operator(name: &[u8]) -> bool {
    let bare = name.strip_prefix(b"$").or_else(|| name.strip_prefix(b"_")).unwrap_or(name);
    is_one_of(&OPERATORS, bare)
}

/// The name without an operator behind it, as Django and Ransack write it: `customer_id` of `customer_id__in` and of
/// `customer_id_eq`.
fn without_operator(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, operator)) if is_operator(operator.as_bytes()) && stem.len() > 1 => {
            stem.trim_end_matches('_')
        }
        _ => name,
    }
}

/// The name without `[]` behind it, or what stands inside its last brackets: `id` of `filter[id]`.
pub(super) fn innermost(mut name: &str) -> &str {
    loop {
        name = name.strip_suffix("[]").unwrap_or(name);
        match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            // `ids[0]`: an index is no name, nor is an operator.
            Some((outer, inner))
                if inner.bytes().all(|byte| byte.is_ascii_digit()) || is_operator(inner.as_bytes()) =>
            {
                name = outer;
            }
            Some((_, inner)) => return inner,
            None => return name,
        }
    }
}

/// Whether `name`, without brackets, is by convention that of an object: one of [`OBJECTS`], or has one of the
/// [`ENDINGS`] but for [`EXCEPT`].
fn is_object(name: &str) -> bool {
    if OBJECT_ENDS.may_have(name.as_bytes()) && is_one_of(&OBJECTS, name.as_bytes()) {
        return true;
    }
    // Each of them ends in one of these, and most names do not.
    if !matches!(name.as_bytes().last(), Some(b'd' | b'D' | b's' | b'S' | b'o' | b'r' | b'f' | b'e')) {
        return false;
    }
    let is_number = |ending: &str| name.strip_suffix(ending).is_some_and(|stem| !stem.is_empty());
    if NUMBERS.iter().any(|ending| is_number(ending)) {
        return !COUNTS.iter().any(|count| count.eq_ignore_ascii_case(name));
    }
    let stem = ENDINGS
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
        .filter(|stem| !stem.is_empty())
        .or_else(|| joined_stem(name));
    let Some(stem) = stem else { return false };
    let word = stem.trim_end_matches(SEPARATORS).rsplit(SEPARATORS).next().unwrap_or(stem);
    let ends_with = |except: &&str| {
        let at = word.len().checked_sub(except.len());
        at.and_then(|at| word.get(at..)).is_some_and(|last| last.eq_ignore_ascii_case(except))
    };
    !EXCEPT.iter().any(ends_with)
}

/// First and last letters of names by their length: most names are none, and this tells at once.
struct Ends([(u32, u32); Ends::LENGTHS]);

static OBJECT_ENDS: Ends = Ends::of(&OBJECTS);
static PAGE_ENDS: Ends = Ends::of(&PAGES);

impl Ends {
    const LENGTHS: usize = 24;

    const fn of(names: &[&str]) -> Ends {
        let mut ends = [(0, 0); Ends::LENGTHS];
        let mut at = 0;
        while at < names.len() {
            let name = names[at].as_bytes();
            ends[name.len()].0 |= Ends::bit(name[0]);
            ends[name.len()].1 |= Ends::bit(name[name.len() - 1]);
            at += 1;
        }
        Ends(ends)
    }

    /// The same for both cases of a letter.
    const fn bit(letter: u8) -> u32 {
        1 << (letter & 31)
    }

    fn may_have(&self, name: &[u8]) -> bool {
        let Some(&(first, last)) = self.0.get(name.len()) else { return false };
        matches!(name, [a, .., z] if first & Ends::bit(*a) != 0 && last & Ends::bit(*z) != 0)
    }
}

/// Whether `name` is one of `all`, which are in lower case and in order, in any case.
fn is_one_of(all: &[&str], name: &[u8]) -> bool {
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    all.binary_search_by(|known| known.as_bytes().iter().copied().cmp(name.iter().map(lower))).is_ok()
}

/// What stands before `id` or `ids` in any case in a name that is one word: `policy` of `policyid`.
fn joined_stem(name: &str) -> Option<&str> {
    let singular = name.strip_suffix(['s', 'S']).unwrap_or(name);
    let at = singular.len().checked_sub(2).filter(|at| *at > 0)?;
    let is_id = singular.get(at..).is_some_and(|ending| ending.eq_ignore_ascii_case("id"));
    let stem = singular.get(..at)?;
    let word = singular.rsplit(SEPARATORS).next().unwrap_or(singular);
    let is_word = is_one_of(&WORDS, word.as_bytes());
    (is_id && !is_word && !stem.ends_with(SEPARATORS)).then_some(stem)
}

fn is_page(name: &str) -> bool {
    let mut bare = [0; 20];
    let mut length = 0;
    for byte in name.bytes().filter(|byte| !b"_-.".contains(byte)) {
        let Some(slot) = bare.get_mut(length) else { return false };
        *slot = byte.to_ascii_lowercase();
        length += 1;
    }
    PAGE_ENDS.may_have(&bare[..length]) && is_one_of(&PAGES, &bare[..length])
}

/// `page[number]` and `page[offset]` of JSON:API.
fn is_page_of(name: &str) -> bool {
    matches!(name, "page[number]" | "page[offset]" | "page[cursor]" | "page[after]" | "page[before]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str) -> Holds {
        Names::default().judge(name.as_bytes(), false)
    }

    #[test]
    fn tables_are_in_order() {
        for table in [&OBJECTS[..], &PAGES, &WORDS, &OPERATORS] {
            assert!(table.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn names_of_identifiers_hold_objects() {
        for name in [
            "id",
            "ID",
            "customer_id",
            "customerId",
            "userID",
            "account-id",
            "msisdn",
            "email",
            "uuid",
            "filter[id]",
            "ids[]",
            "ids",
            "ids[0]",
            "customerIds",
            "customer_ids",
            "filter[customer][ids][]",
            "account_no",
            "policyid",
            "POLICYID",
            "PolicyIds",
            " id",
            "+id",
            "++id++",
            "%20id",
            "id\0x",
            "id \t",
            "\u{a0}id",
            "customer id",
            "user[id]",
            "[id]",
            "customer.id",
            "id[$eq]",
            "id[in][]",
            "ids[0][1]",
            "order_ref",
            "bookingReference",
            "kundennr",
            "policeNr",
            "tracking_number",
            "vin",
            "mrn",
            "author",
            "customer_id_eq",
            "customer_id__exact",
            "customer__id",
            "q[customer_id_in]",
            &format!("{}id", " ".repeat(500)),
        ] {
            assert_eq!(judge(name), Holds::Object, "{name}");
        }
    }

    #[test]
    fn other_names_hold_none() {
        for name in [
            "",
            "q",
            "paid",
            "grid",
            "void",
            "request_id",
            "requestId",
            "x_trace_id",
            "session_id",
            "Session_Id",
            "client_id",
            "client_ids",
            "utm_id",
            "_",
            "_id",
            "limit",
            "per_page",
            "pages",
            "é_id\u{0}é",
            "android",
            "hybrid",
            "is_valid",
            "fbclid",
            "sessionid",
            "user[name]",
            "line_number",
            "buildNumber",
            "ref",
            "reference",
            "no",
            "plug_in",
            "policy",
            &"a".repeat(65),
        ] {
            let holds = judge(name);
            assert!(holds == Holds::Nothing || name.starts_with('é'), "{name}: {holds:?}");
        }
    }

    #[test]
    fn pages_of_lists_are_told() {
        for name in
            ["page", "Page", "page_token", "pageToken", "cursor", "offset", "starting_after", "page[number]"]
        {
            assert_eq!(judge(name), Holds::Page, "{name}");
        }
    }

    #[test]
    fn the_operator_comes_first() {
        let given = ["!email", "Voucher", "page"].map(|text| text.parse().unwrap());
        let names = Names::new(given.to_vec());
        let judge = |name: &str, given_only| names.judge(name.as_bytes(), given_only);
        assert_eq!(judge("email", false), Holds::Nothing);
        assert_eq!(judge("voucher", false), Holds::Object);
        assert_eq!(judge("vouchers", false), Holds::Nothing);
        assert_eq!(judge("filter[voucher]", true), Holds::Object);
        assert_eq!(judge("page", false), Holds::Object);
        assert_eq!((judge("id", false), judge("id", true)), (Holds::Object, Holds::Nothing));
        for text in ["", "!", "a=b", "a b", &"a".repeat(65)] {
            text.parse::<ObjectParam>().unwrap_err();
        }
    }
}
