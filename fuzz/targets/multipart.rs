//! Forms: what is written comes back, and a cut gives the first fields.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::object::{Content, Names, Objects, Reader, Serves, multipart::Fields};
use rollcall_fuzz::{check, seeds};

const SEEDS: [&str; 5] = [
    "--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n7\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; \
     filename=\"x\"\r\nContent-Type: image/png\r\n\r\n..\r\n--b--\r\n",
    "--b\nContent-Disposition: form-data;\n name=customer_id\n\n7\n--b \t\r\nx: y\r\n\r\n--b--",
    "preamble\r\n--x y\r\nCONTENT-DISPOSITION:form-data;name=\"a;b\\\"c\";filename=\"\"\r\n\r\n\r\n--x y--",
    "--b\r\n\r\n--bb\r\n\r\n--b\r\nContent-Disposition: x; name=\"ids\"\r\n\r\n1,2,3\r\n--b--",
    "customer_id\u{0}17",
];
const WORDS: [&str; 12] = [
    "--b",
    "\r\n--b\r\n",
    "\r\n--b--",
    "\r\n\r\n",
    "Content-Disposition: form-data; ",
    "name=\"",
    "filename=\"",
    "filename*=",
    "; ",
    "\n ",
    "\n--",
    "customer_id",
];

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let whole: Vec<_> = Fields::new(data).collect();
    assert!(whole.len() <= data.len());
    let written: usize = whole.iter().map(|field| field.name.len() + field.value.len()).sum();
    assert!(written <= data.len());
    let step = (data.len() / 16).max(1);
    for cut in (0..data.len()).step_by(step) {
        let part: Vec<_> = Fields::new(&data[..cut]).collect();
        assert!(whole.starts_with(&part));
    }
    let mut reader = Reader::new(Names::default());
    let mut objects = Objects::default();
    reader.start(Serves::default(), false);
    reader.read(b"", &Content::new(data, false, std::iter::empty()));
    reader.objects(true, &mut objects);
    check::objects(&objects);
    check::volume(&objects, data.len());
    round_trip(data);
});

/// A form with fields out of `data` gives these fields.
fn round_trip(data: &[u8]) {
    let pairs: Vec<(String, &[u8])> = data
        .split(|&byte| byte == 0)
        .filter(|value| !has(value, b"\n--boundary") && !value.starts_with(b"--boundary"))
        .enumerate()
        .map(|(number, value)| (format!("field{number}"), value))
        .collect();
    let mut form = Vec::new();
    for (name, value) in &pairs {
        form.extend_from_slice(b"--boundary\r\nContent-Disposition: form-data; name=\"");
        form.extend_from_slice(name.as_bytes());
        form.extend_from_slice(b"\"\r\n\r\n");
        form.extend_from_slice(value);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--boundary--\r\n");
    let fields: Vec<_> = Fields::new(&form).map(|field| (field.name, field.value)).collect();
    let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
    assert_eq!(fields, expected);
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
