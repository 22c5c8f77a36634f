//! Reading a net's TOML file. Everything wrong in it is said with file, line, the line itself and
//! what is accepted instead.
//!
//! Deserialisation alone cannot say where in the file a gateway lies that no link can reach, so it
//! only gives `Raw` with the place of every value (`Spanned`); the rest is done by hand.
use super::brief::{LOCAL, Loopback, Outside, Users, is_net_name};
use super::config::{IpDefaults, LinkConfig, NetConfig, RouteConfig};
use super::given::{Addresses, Given, is_host};
use super::link_spec::{DEVICES, KEYS, LinkSpec};
use super::tcp_table::RawTcp;
use super::users::RawUsers;
use super::wrong::{Checked, Wrong};
use crate::base::Cidr;
use crate::base::addr::IpAddr;
use core::fmt;
use core::ops::Range;
use core::str::FromStr;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Links, addresses, routes or users in one file, at most (a brief carries no more).
const LIST_MAX: usize = 64;

/// What is wrong with a net's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The line itself and a mark under the place.
    shown: String,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}{}", self.file, self.line, self.message, self.shown)
    }
}

impl core::error::Error for ConfigError {}

/// A value and where it is written.
type At<T> = (Range<usize>, T);

/// Reads a value that is written as text.
fn read<T: FromStr<Err: fmt::Display>>(text: Spanned<String>) -> Checked<At<T>> {
    let span = text.span();
    let text = text.into_inner();
    match text.parse() {
        Ok(value) => Ok((span, value)),
        Err(why) => Err(Wrong(span, format!("{text:?} is not valid: {why}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    address: Option<Spanned<String>>,
    #[serde(default)]
    gateways: Vec<Spanned<String>>,
    #[serde(default)]
    route: Vec<Spanned<RawRoute>>,
    #[serde(default)]
    link: Vec<Spanned<RawLink>>,
    outside: Option<Spanned<toml::Value>>,
    loopback: Option<Spanned<toml::Value>>,
    users: Option<Spanned<RawUsers>>,
    #[serde(default)]
    tcp: RawTcp,
    #[serde(default)]
    ip: RawIp,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawIp {
    dad: Option<bool>,
    redirects: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    to: Spanned<String>,
    via: Option<Spanned<String>>,
}

/// A `[[link]]` table, with the place of every key and value: read by hand, since its keys are
/// those of [`LinkSpec::set`].
type RawLink = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

/// Reads the file's text; `file` is its name, for messages.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str, file: &str) -> Result<NetConfig, ConfigError> {
    let raw: Raw = toml::from_str(text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        place(text, file, Wrong(span, e.message().trim_end().to_owned()))
    })?;
    convert(raw).map_err(|wrong| place(text, file, wrong))
}

/// The nearest place at or before `at` where a character begins.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Turns a place in the text into a line and a picture of it.
fn place(text: &str, file: &str, Wrong(span, message): Wrong) -> ConfigError {
    let start = boundary(text, span.start);
    let line = text[..start].matches('\n').count() + 1;
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let source = text[line_start..].lines().next().unwrap_or_default();
    let column = text[line_start..start].chars().count();
    let end = boundary(text, span.end.min(line_start + source.len()).max(start));
    let width = text[start..end].chars().count().max(1);
    let shown = if source.trim().is_empty() {
        String::new()
    } else {
        let mark = "^".repeat(width);
        format!("\n{line:>5} | {source}\n      | {:column$}{mark}", "")
    };
    ConfigError { file: file.into(), line, shown, message }
}

fn convert(raw: Raw) -> Checked<NetConfig> {
    let name = raw.name.as_ref().as_str();
    if !is_net_name(name) {
        let why = format!("{name:?} is no name for a net: 1 to 32 of A-Z a-z 0-9 _ -");
        return Err(Wrong(raw.name.span(), why));
    }
    if name == LOCAL {
        let why = "\"local\" is the net that needs no file; choose another name".into();
        return Err(Wrong(raw.name.span(), why));
    }
    let mut net = NetConfig::new(name);
    let outside = [("unreachable", Outside::Unreachable), ("host", Outside::Host)];
    net.outside = word("outside", raw.outside, outside)?;
    let loopback = [("direct", Loopback::Direct), ("tcp", Loopback::Tcp)];
    net.loopback = word("loopback", raw.loopback, loopback)?;
    net.users = raw.users.map(users).transpose()?;
    net.tcp = raw.tcp.check()?;
    let own = IpDefaults::default();
    net.ip = IpDefaults {
        dad: raw.ip.dad.unwrap_or(own.dad),
        redirects: raw.ip.redirects.unwrap_or(own.redirects),
    };
    let top_routes = routes(raw.gateways, raw.route)?;
    let addresses = raw.addresses.into_iter().chain(raw.address).map(read);
    let addresses = Addresses::new(addresses.collect::<Checked<Vec<_>>>()?);
    let links = raw.link.into_iter().map(link).collect::<Checked<Vec<RawParts>>>()?;
    place_addresses(&mut net, links, addresses, top_routes)?;
    check_sizes(&net)?;
    Ok(net)
}

/// One of two words; the first is the default.
fn word<T: Copy>(
    key: &str,
    value: Option<Spanned<toml::Value>>,
    accepted: [(&str, T); 2],
) -> Checked<T> {
    let Some(value) = value else { return Ok(accepted[0].1) };
    let found = accepted.iter().find(|(name, _)| value.as_ref().as_str() == Some(name));
    found.map(|(_, word)| *word).ok_or_else(|| {
        let [(one, _), (other, _)] = accepted;
        Wrong(value.span(), format!("{key} is \"{one}\" or \"{other}\", not {}", value.as_ref()))
    })
}

fn users(raw: Spanned<RawUsers>) -> Checked<Users> {
    let span = raw.span();
    match raw.into_inner() {
        RawUsers::Any => Ok(Users::Any),
        RawUsers::Only(list) if list.len() > LIST_MAX => {
            Err(Wrong(span, format!("at most {LIST_MAX} users; write users = \"any\"")))
        }
        RawUsers::Only(list) => Ok(Users::Only(list)),
    }
}

/// A link as it was read, before routes are checked.
struct RawParts {
    span: Range<usize>,
    link: LinkConfig,
    routes: Vec<At<RouteConfig>>,
}

fn link(table: Spanned<RawLink>) -> Checked<RawParts> {
    let span = table.span();
    let mut table = table.into_inner();
    let mut take = |key: &str| {
        let place = table.keys().find(|k| k.as_ref() == key)?.clone();
        table.remove(&place)
    };
    let (addresses, gateways) = (take("addresses"), take("gateways"));
    let address = take("address");
    let Some(device) = take("device") else {
        return Err(Wrong(span, format!("a link needs device = {DEVICES}")));
    };
    let mut spec: LinkSpec = match device.as_ref() {
        toml::Value::String(s) => s.parse().map_err(|why| Wrong(device.span(), why))?,
        _ => return Err(Wrong(device.span(), format!("device is a string: {DEVICES}"))),
    };
    for (key, value) in table {
        if !KEYS.contains(&key.as_ref().as_str()) {
            let keys = KEYS.join(", ");
            let why = format!(
                "a link has no key {:?}; it has device, address, addresses, gateways, {keys}",
                key.as_ref()
            );
            return Err(Wrong(key.span(), why));
        }
        let text = match value.as_ref() {
            toml::Value::String(s) => s.clone(),
            toml::Value::Integer(n) => n.to_string(),
            toml::Value::Float(n) => n.to_string(),
            _ => {
                return Err(Wrong(value.span(), format!("{}: a string or a number", key.as_ref())));
            }
        };
        spec.set(key.as_ref(), &text).map_err(|why| Wrong(value.span(), why))?;
    }
    let mut given = list::<Given>(addresses)?;
    given.extend(list::<Given>(address)?);
    let given = Addresses::new(given);
    let gateways = list::<IpAddr>(gateways)?;
    let (addresses, routes) = (unicast(&given.fixed)?, Vec::new());
    let mut link = LinkConfig { spec, addresses, routes, dhcp: false, slaac: false };
    given.ask(&mut link);
    let routes = gateways.into_iter().map(|(at, gw)| (at, RouteConfig::default_via(gw))).collect();
    Ok(RawParts { span, link, routes })
}

/// An array of strings, or one string, each read by `FromStr`. (Values inside a `toml::Value` have
/// lost their places: messages point at the array.)
fn list<T: FromStr<Err: fmt::Display>>(value: Option<Spanned<toml::Value>>) -> Checked<Vec<At<T>>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let span = value.span();
    let wrong = |why: String| Wrong(span.clone(), why);
    let items = match value.as_ref() {
        toml::Value::Array(items) => items.as_slice(),
        one @ toml::Value::String(_) => core::slice::from_ref(one),
        _ => return Err(wrong("a list is written [\"..\", \"..\"]".into())),
    };
    let one = |item: &toml::Value| {
        let text = item.as_str().ok_or_else(|| wrong(format!("{item} must be in quotes")))?;
        let parsed = text.parse().map_err(|why| wrong(format!("{text:?} is not valid: {why}")))?;
        Ok((span.clone(), parsed))
    };
    items.iter().map(one).collect()
}

fn routes(
    gateways: Vec<Spanned<String>>,
    routes: Vec<Spanned<RawRoute>>,
) -> Checked<Vec<At<RouteConfig>>> {
    let mut all = Vec::new();
    for gateway in gateways {
        let (span, gateway) = read(gateway)?;
        all.push((span, RouteConfig::default_via(gateway)));
    }
    for route in routes {
        let (span, raw) = (route.span(), route.into_inner());
        let via = raw.via.map(read).transpose()?.map(|(_, via)| via);
        all.push((span, RouteConfig { to: read(raw.to)?.1, via }));
    }
    Ok(all)
}

/// Only addresses that a host can have, each once.
fn unicast(addresses: &[At<Cidr>]) -> Checked<Vec<Cidr>> {
    for (i, (span, cidr)) in addresses.iter().enumerate() {
        let why = if cidr.address.is_loopback() {
            "is a loopback address: every net has those"
        } else if !is_host(*cidr) {
            "is not the address of one host; write it like 10.0.0.2/24 or fd00::2/64"
        } else if addresses[..i].iter().any(|(_, a)| a.address == cidr.address) {
            "is given twice"
        } else {
            continue;
        };
        return Err(Wrong(span.clone(), format!("{cidr} {why}")));
    }
    Ok(addresses.iter().map(|(_, cidr)| *cidr).collect())
}

/// Gives every address and route to the link that it belongs to.
fn place_addresses(
    net: &mut NetConfig,
    mut links: Vec<RawParts>,
    addresses: Addresses,
    mut routes: Vec<At<RouteConfig>>,
) -> Checked<()> {
    let top = unicast(&addresses.fixed)?;
    match (links.as_mut_slice(), addresses.place()) {
        ([only], _) => {
            only.link.addresses.extend(&top);
            addresses.ask(&mut only.link);
        }
        ([], _) => net.addresses = top,
        (_, None) => {}
        (_, Some(span)) => {
            let why = "with several links, write addresses inside each [[link]]".into();
            return Err(Wrong(span, why));
        }
    }
    if let (true, Some(span)) = (links.is_empty(), addresses.word()) {
        return Err(Wrong(span, "an address can only be asked for through a [[link]]".into()));
    }
    if let (true, Some((span, _))) = (links.is_empty(), routes.first()) {
        let why = "a gateway or route needs a [[link]] to go through".into();
        return Err(Wrong(span.clone(), why));
    }
    for parts in &mut links {
        if parts.link.addresses.is_empty() && !parts.link.dhcp && !parts.link.slaac {
            let why = "this link has no address; write addresses = [\"10.0.0.2/24\"]".into();
            return Err(Wrong(parts.span.clone(), why));
        }
        for (span, route) in core::mem::take(&mut parts.routes) {
            add_route(&mut parts.link, span, route)?;
        }
    }
    let mut links: Vec<LinkConfig> = links.into_iter().map(|p| p.link).collect();
    for (span, route) in routes.drain(..) {
        let near = route.via.unwrap_or(route.to.address);
        let reaches = |l: &&mut LinkConfig| l.addresses.iter().any(|a| a.contains(near));
        let single = links.len() == 1;
        match links.iter_mut().find(|l| single || reaches(l)) {
            Some(link) => add_route(link, span, route)?,
            None => {
                let why = format!("no link of this net has an address in the prefix of {near}");
                return Err(Wrong(span, why));
            }
        }
    }
    net.links = links;
    Ok(())
}

fn add_route(link: &mut LinkConfig, span: Range<usize>, route: RouteConfig) -> Checked<()> {
    if link.dhcp || link.slaac {
        // Which prefixes the link will have is not known yet.
        link.routes.push(route);
        return Ok(());
    }
    if let Some(via) = route.via {
        if via.is_ipv4() != route.to.address.is_ipv4() {
            return Err(Wrong(span, format!("{} cannot go via {via}: another family", route.to)));
        }
        let link_local = matches!(via, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !link_local && !link.addresses.iter().any(|a| a.contains(via)) {
            let have: Vec<_> = link.addresses.iter().map(Cidr::to_string).collect();
            let have = have.join(", ");
            let why =
                format!("gateway {via} is not in the prefix of an address of the link ({have})");
            return Err(Wrong(span, why));
        }
        if link.addresses.iter().any(|a| a.address == via) {
            return Err(Wrong(span, format!("{via} is the net's own address, not a gateway")));
        }
    }
    if link.source_for(&route).is_none() {
        let family = if route.to.address.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(Wrong(span, format!("a route to {} needs an {family} address", route.to)));
    }
    link.routes.push(route);
    Ok(())
}

/// Limits of the brief, and addresses given twice.
fn check_sizes(net: &NetConfig) -> Checked<()> {
    let brief = net.brief(0);
    if brief.addresses.len() > LIST_MAX || brief.routes.len() > LIST_MAX {
        let why = format!("at most {LIST_MAX} addresses and {LIST_MAX} routes in one net");
        return Err(Wrong(0..0, why));
    }
    for (i, one) in brief.addresses.iter().enumerate() {
        if brief.addresses[..i].iter().any(|a| a.address == one.address) {
            return Err(Wrong(0..0, format!("the address {} is given twice", one.address)));
        }
    }
    Ok(())
}
