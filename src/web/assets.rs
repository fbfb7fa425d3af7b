//! The stylesheet and the script: fingerprinted names, so that browsers may keep them for ever.

use std::collections::BTreeMap;
use std::io::Cursor;

use rocket::http::{ContentType, Header, Status};
use rocket::response::{self, Responder};
use rocket::{Request, Response, State, get};

use super::Site;
use crate::theme::{Theme, ThemeError};
use crate::tokens::fingerprint;

/// A colour of the sRGB space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast_with_white(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    }

    fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The files under `/static`, by their fingerprinted names.
pub struct Assets {
    files: BTreeMap<String, File>,
    css: String,
    js: String,
}

struct File {
    content_type: ContentType,
    bytes: Vec<u8>,
}

impl Assets {
    pub fn load(theme: &Theme, accent: Color) -> Result<Self, ThemeError> {
        let mut assets = Self { files: BTreeMap::new(), css: String::new(), js: String::new() };
        for (name, mut bytes) in theme.static_files()? {
            // An allow-list: what an editor leaves beside a file is not served.
            let Some((stem, extension)) = name.rsplit_once('.') else { continue };
            let Some(content_type) = content_type(extension) else { continue };
            if name == "app.css" {
                bytes = with_accent(bytes, accent)?;
            }
            let print = fingerprint(&bytes);
            let served = format!("{stem}-{}.{extension}", &print[..12]);
            match name.as_str() {
                "app.css" => assets.css = format!("/static/{served}"),
                "app.js" => assets.js = format!("/static/{served}"),
                _ => {}
            }
            assets.files.insert(served, File { content_type, bytes });
        }
        Ok(assets)
    }

    pub fn css_url(&self) -> &str {
        &self.css
    }

    pub fn js_url(&self) -> &str {
        &self.js
    }

    /// The icon, for programs that ask for `/favicon.ico` without reading the page.
    pub fn icon(&self) -> Option<&[u8]> {
        let (_, icon) = self.files.iter().find(|(name, _)| name.starts_with("icon-"))?;
        Some(&icon.bytes)
    }
}

fn content_type(extension: &str) -> Option<ContentType> {
    match extension {
        "css" => Some(ContentType::CSS),
        "js" => Some(ContentType::JavaScript),
        "svg" => Some(ContentType::SVG),
        "png" => Some(ContentType::PNG),
        "webp" => Some(ContentType::WEBP),
        "woff2" => Some(ContentType::WOFF2),
        _ => None,
    }
}

/// The stylesheet says `--accent: #…;` once; everything else follows from it.
fn with_accent(css: Vec<u8>, accent: Color) -> Result<Vec<u8>, ThemeError> {
    let css = String::from_utf8(css).map_err(|_| ThemeError("app.css is not UTF-8".to_owned()))?;
    let lines: Vec<String> = css
        .lines()
        .map(|line| match line.trim_start().strip_prefix("--accent:") {
            Some(_) => format!("--accent: {};", accent.css()),
            None => line.to_owned(),
        })
        .collect();
    Ok(lines.join("\n").into_bytes())
}

/// A static file, good for a year.
pub struct StaticFile<'r>(&'r File);

#[get("/static/<name>")]
pub fn serve<'r>(name: &str, site: &'r State<Site>) -> Result<StaticFile<'r>, Status> {
    site.assets.files.get(name).map(StaticFile).ok_or(Status::NotFound)
}

impl<'r> Responder<'r, 'r> for StaticFile<'r> {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'r> {
        Response::build()
            .header(self.0.content_type.clone())
            .header(Header::new("Cache-Control", "public, max-age=31536000, immutable"))
            .sized_body(self.0.bytes.len(), Cursor::new(self.0.bytes.as_slice()))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_wcag() {
        let ratio = |text: &str| Color::parse(text).expect("a colour").contrast_with_white();
        assert!((ratio("#000000") - 21.0).abs() < 0.01);
        assert!((ratio("#ffffff") - 1.0).abs() < 0.01);
        assert!((ratio("#767676") - 4.54).abs() < 0.01);
        for wrong in ["", "#fff", "red", "#12345g", "#1234567", "#+12345"] {
            assert_eq!(Color::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_accent_is_put_into_the_stylesheet() {
        let css = with_accent(b":root {\n  --accent: #111111;\n}".to_vec(), Color([1, 2, 3]));
        assert_eq!(css.expect("UTF-8"), b":root {\n--accent: #010203;\n}");
    }
}
