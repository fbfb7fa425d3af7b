//! A tour of the pages: each is measured in every mode, and photographed where that is asked for.

use std::env;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::browser::Browser;
use super::driver::MEND;
use super::patience::soon_is;

/// How somebody looks at a page.
struct Mode {
    name: &'static str,
    width: u32,
    height: u32,
    /// Device pixels to a CSS pixel.
    scale: u32,
    mobile: bool,
    dark: bool,
    forced_colors: bool,
    /// Whether axe-core looks too.
    axe: bool,
}

const DESK: Mode = Mode {
    name: "light",
    width: 1280,
    height: 800,
    scale: 1,
    mobile: false,
    dark: false,
    forced_colors: false,
    axe: true,
};
const MODES: [Mode; 6] = [
    DESK,
    Mode { name: "dark", dark: true, ..DESK },
    Mode { name: "forced-colors", forced_colors: true, axe: false, ..DESK },
    // What a window of 1280 by 800 shows at 200 %.
    Mode { name: "zoom", width: 640, height: 400, scale: 2, axe: false, ..DESK },
    Mode { name: "phone", width: 360, height: 740, scale: 2, mobile: true, axe: false, ..DESK },
    Mode { name: "narrow", width: 320, height: 640, scale: 2, mobile: true, axe: false, ..DESK },
];

pub struct Tour<'a> {
    ann: &'a Browser,
    axe: String,
    photographs: Option<PathBuf>,
    pages: Vec<Value>,
    faults: Vec<String>,
}

impl<'a> Tour<'a> {
    #[track_caller]
    pub fn new(ann: &'a Browser) -> Self {
        let path = node_folder().join("node_modules/axe-core/axe.min.js");
        let axe = fs::read_to_string(&path)
            .unwrap_or_else(|cause| panic!("{}: {cause}. {MEND}", path.display()));
        let photographs = env::var_os("GATEHOUSE_SCREENSHOTS").map(PathBuf::from);
        // Whatever led to the first page is not on the tour.
        ann.traffic();
        Self { ann, axe, photographs, pages: Vec::new(), faults: Vec::new() }
    }

    /// Looks at the page that is open: one that was answered with `status`.
    #[track_caller]
    pub fn looks_at(&mut self, name: &str, status: u64) {
        let traffic = self.ann.traffic();
        let page = traffic.iter().rfind(|exchange| exchange.page && exchange.status != 303);
        let page = page.unwrap_or_else(|| panic!("{name} was not loaded: {traffic:#?}"));
        assert_eq!(page.status, status, "{name}: {page:?}\n{}", self.ann.text());
        self.pages.push(json!({ "name": name, "html": self.ann.html_of(page) }));
        self.measures(name);
    }

    /// Looks once more at the same page after something was done in it.
    #[track_caller]
    pub fn measures(&mut self, name: &str) {
        for mode in &MODES {
            self.enters(mode);
            let measured = self.ann.script(include_str!("measure.js"), vec![]);
            let mut faults: Vec<Value> = measured["faults"].as_array().expect("a list").clone();
            if mode.axe {
                faults.extend(self.asks_axe());
            }
            let told = faults.iter().map(|fault| format!("{name}, {}: {fault}", mode.name));
            self.faults.extend(told);
            self.photographs(name, mode, &measured["height"]);
        }
        self.enters(&DESK);
    }

    fn enters(&self, mode: &Mode) {
        let Mode { width, height, scale, mobile, .. } = mode;
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile
        });
        self.ann.cdp("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if mode.dark { "dark" } else { "light" };
        let forced = if mode.forced_colors { "active" } else { "none" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "forced-colors", "value": forced },
            // Nothing is caught half-way.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.ann.cdp("Emulation.setEmulatedMedia", features);
        let query = format!(
            "(width: {width}px) and (prefers-color-scheme: {scheme}) and (forced-colors: {forced})"
        );
        soon_is(mode.name, &json!(true), || {
            self.ann.script("return matchMedia(arguments[0]).matches", vec![json!(query)])
        });
    }

    fn asks_axe(&self) -> Vec<Value> {
        if self.ann.script("return typeof axe", vec![]) != "object" {
            // With `window` as what it hangs itself on, as in a page's own script.
            self.ann.script(&format!("(function () {{ {} }}).call(window)", self.axe), vec![]);
        }
        let client = self.ann.client();
        let answer = self.ann.wait("axe", client.execute_async(include_str!("axe.js"), vec![]));
        assert!(answer["passed"].as_u64() > Some(5), "axe has looked at something: {answer}");
        answer["found"].as_array().expect("a list").clone()
    }

    fn photographs(&self, name: &str, mode: &Mode, height: &Value) {
        let Some(folder) = &self.photographs else { return };
        let whole = json!({
            "captureBeyondViewport": true,
            "clip": { "x": 0, "y": 0, "width": mode.width, "height": height, "scale": 1 },
        });
        let picture = self.ann.cdp("Page.captureScreenshot", whole);
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().expect("a picture"));
        let path = folder.join(format!("{name}.{}.png", mode.name));
        fs::write(&path, picture.expect("base64")).expect("the folder of pictures");
    }

    /// The end: no fault was found, nor does html-validate find one.
    #[track_caller]
    pub fn ends(mut self) {
        println!("{} pages in {} modes", self.pages.len(), MODES.len());
        self.faults.extend(faults_in_html(&Value::Array(self.pages)));
        assert!(
            self.faults.is_empty(),
            "{} faults:\n{}",
            self.faults.len(),
            self.faults.join("\n")
        );
    }
}

/// Where axe-core and html-validate are; the variable is set by script/test.
fn node_folder() -> PathBuf {
    env::var_os("GATEHOUSE_NODE_DIR").map_or_else(
        || {
            let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let home = || PathBuf::from(env::var_os("HOME").expect("a home")).join(".cache");
            cache.unwrap_or_else(home).join("gatehouse/node")
        },
        PathBuf::from,
    )
}

#[track_caller]
fn faults_in_html(pages: &Value) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/node/validate.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .env("GATEHOUSE_NODE_DIR", node_folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("node does not start ({cause}). {MEND}"));
    let mut input = node.stdin.take().expect("a pipe");
    input.write_all(pages.to_string().as_bytes()).expect("node reads");
    drop(input);
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "html-validate does not run. {MEND}");
    let faults: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    faults.as_array().expect("a list").iter().map(|fault| format!("html: {fault}")).collect()
}
