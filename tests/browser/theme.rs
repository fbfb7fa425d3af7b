//! The owner's own look: a name, a colour, a page, shown by the browser.

use std::fs;

use super::browser::Browser;
use super::gatehouse::Gatehouse;

const WELCOME: &str = r#"{% extends "layout" %}
{% block title %}Harbour{% endblock %}
{% block heading %}The harbour office{% endblock %}
{% block content -%}
<p>Moorings for {{ site.name }}.</p>
<div class="actions"><a class="button" href="/signup">Come aboard</a></div>
{%- endblock %}
"#;

#[test]
fn a_theme_changes_the_welcome_page_and_the_colour_and_leaves_the_rest() {
    let theme = tempfile::tempdir().expect("a folder");
    fs::create_dir(theme.path().join("pages")).expect("a folder");
    fs::write(theme.path().join("pages/welcome.html.tera"), WELCOME).expect("a template");
    let gate = Gatehouse::with(&format!(
        "theme_dir = \"{}\"\naccent_color = \"#7a1f5c\"\nsite_name = \"Port <Aurora>\"",
        theme.path().display()
    ));
    let ann = Browser::start();
    ann.opens(&gate.at("/"));
    ann.title_is("Harbour – Port <Aurora>");
    ann.sees("The harbour office");
    ann.sees("Moorings for Port <Aurora>.");
    let colour = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor";
    assert_eq!(ann.script(colour, vec![".button".into()]), "rgb(122, 31, 92)");
    ann.follows("Come aboard");
    ann.title_is("Sign up – Port <Aurora>");
    assert_eq!(ann.script(colour, vec!["form > button".into()]), "rgb(122, 31, 92)");
}
