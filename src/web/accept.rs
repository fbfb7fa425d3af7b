//! Reads `Accept` as RFC 9110, 12.5.1 says: the most specific range decides each type's weight.

/// True when the client prefers `text/html` to `application/json`: a browser. Programs that send
/// `application/json`, `*/*` or nothing get JSON.
pub fn prefers_html<'a>(headers: impl Iterator<Item = &'a str>) -> bool {
    let ranges: Vec<(&str, f32)> = headers.flat_map(|h| h.split(',')).filter_map(range).collect();
    weight(&ranges, "text", "text/html") > weight(&ranges, "application", "application/json")
}

/// `text/html;level=1;q=0.5` → (`text/html`, 0.5). What cannot be read counts for nothing.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().filter(|media| media.contains('/'))?;
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(Some(1.0), |(_, value)| value.trim().parse().ok())?;
    (0.0..=1.0).contains(&quality).then_some((media, quality))
}

fn weight(ranges: &[(&str, f32)], group: &str, media: &str) -> f32 {
    let of = |wanted: &str| {
        ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(wanted)).map(|(_, q)| *q)
    };
    of(media).or_else(|| of(&format!("{group}/*"))).or_else(|| of("*/*")).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_specificity_decide() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for html in [
            browser,
            "text/html",
            "TEXT/HTML",
            "text/*",
            "text/html;q=0.2, application/json;q=0.1",
            "application/json;q=0.9, text/html",
            "text/html;q=0.5, */*;q=0.4",
            "text/html;level=1;q=0.7, application/*;q=0.6",
            "text/html;charset=utf-8",
        ] {
            assert!(prefers_html([html].into_iter()), "{html}");
        }
        for json in [
            "",
            "*/*",
            "application/json",
            "application/json, text/html",
            "text/html, application/json",
            "text/html;q=0.1, */*",
            "text/html;q=0, */*;q=0.1",
            "application/*, text/html;q=0.9",
            "text/html;q=2",
            "text/html;q=abc",
            "image/png",
            "html",
        ] {
            assert!(!prefers_html([json].into_iter()), "{json}");
        }
        assert!(prefers_html(["application/json;q=0.1", "text/html"].into_iter()));
    }
}
