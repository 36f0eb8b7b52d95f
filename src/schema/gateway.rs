//! What stands between the client and a server, told by its response headers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A gateway or proxy that names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gateway {
    /// LiteLLM. It counts tokens itself where its upstream sends no usage.
    Litellm,
    /// One API or New API. They count tokens themselves where their upstream sends no usage.
    OneApi,
    /// Portkey.
    Portkey,
    /// Helicone.
    Helicone,
    /// Kong.
    Kong,
    /// Envoy, or what is built on it (Istio, Contour).
    Envoy,
    /// Cloudflare.
    Cloudflare,
    /// Amazon: API Gateway, CloudFront or a load balancer.
    Amazon,
    /// Azure's API Management.
    AzureApiManagement,
    /// Google's front end.
    Google,
    /// Fastly.
    Fastly,
    /// Varnish.
    Varnish,
    /// Akamai.
    Akamai,
    /// Vercel.
    Vercel,
    /// Apache APISIX.
    Apisix,
    /// nginx.
    Nginx,
    /// Caddy.
    Caddy,
    /// Apache.
    Apache,
    /// Traefik.
    Traefik,
    /// HAProxy.
    Haproxy,
    /// A proxy that says `via` and no name that is known here.
    Proxy,
}

/// Beginnings of header names that only one of them writes.
const NAMES: &[(&str, Gateway)] = &[
    ("x-litellm-", Gateway::Litellm),
    ("x-oneapi-", Gateway::OneApi),
    ("x-new-api-", Gateway::OneApi),
    ("x-portkey-", Gateway::Portkey),
    ("x-apisix-", Gateway::Apisix),
    ("helicone-", Gateway::Helicone),
    ("x-kong-", Gateway::Kong),
    ("x-envoy-", Gateway::Envoy),
    ("cf-ray", Gateway::Cloudflare),
    ("x-amz-", Gateway::Amazon),
    ("x-amzn-", Gateway::Amazon),
    ("apim-", Gateway::AzureApiManagement),
    ("x-fastly-", Gateway::Fastly),
    ("x-varnish", Gateway::Varnish),
    ("x-akamai-", Gateway::Akamai),
    ("x-vercel-", Gateway::Vercel),
];

/// Words in the values of `server` and `via`, in lower case.
const WORDS: &[(&str, Gateway)] = &[
    ("litellm", Gateway::Litellm),
    ("kong", Gateway::Kong),
    ("envoy", Gateway::Envoy),
    ("cloudflare", Gateway::Cloudflare),
    ("cloudfront", Gateway::Amazon),
    ("awselb", Gateway::Amazon),
    ("google", Gateway::Google),
    ("varnish", Gateway::Varnish),
    ("akamai", Gateway::Akamai),
    ("vercel", Gateway::Vercel),
    ("apisix", Gateway::Apisix),
    ("nginx", Gateway::Nginx),
    ("openresty", Gateway::Nginx),
    ("caddy", Gateway::Caddy),
    ("apache", Gateway::Apache),
    ("traefik", Gateway::Traefik),
    ("haproxy", Gateway::Haproxy),
];

impl Gateway {
    /// Whom one response header names; `name` and `value` in lower case.
    pub fn of_header(name: &str, value: &str) -> Option<Gateway> {
        match name {
            "server" => named(value),
            "via" => Some(named(value).unwrap_or(Gateway::Proxy)),
            _ => NAMES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, gateway)| *gateway),
        }
    }

    /// Of two that one head names, the one that says more: one that only this kind of gateway writes comes before
    /// the web server in front of it, and a bare `via` says least.
    pub fn prefer(one: Option<Gateway>, other: Option<Gateway>) -> Option<Gateway> {
        [one, other].into_iter().flatten().min()
    }

    /// Its usage may be its own count and not the server's.
    pub fn counts_itself(self) -> bool {
        matches!(self, Gateway::Litellm | Gateway::OneApi)
    }

    /// Its name as its makers write it.
    pub fn title(self) -> &'static str {
        match self {
            Gateway::Litellm => "LiteLLM",
            Gateway::OneApi => "One API",
            Gateway::Portkey => "Portkey",
            Gateway::Helicone => "Helicone",
            Gateway::Kong => "Kong",
            Gateway::Envoy => "Envoy",
            Gateway::Cloudflare => "Cloudflare",
            Gateway::Amazon => "a gateway of AWS",
            Gateway::AzureApiManagement => "Azure API Management",
            Gateway::Google => "Google's front end",
            Gateway::Fastly => "Fastly",
            Gateway::Varnish => "Varnish",
            Gateway::Akamai => "Akamai",
            Gateway::Vercel => "Vercel",
            Gateway::Apisix => "Apache APISIX",
            Gateway::Nginx => "nginx",
            Gateway::Caddy => "Caddy",
            Gateway::Apache => "Apache",
            Gateway::Traefik => "Traefik",
            Gateway::Haproxy => "HAProxy",
            Gateway::Proxy => "a proxy",
        }
    }
}

fn named(value: &str) -> Option<Gateway> {
    WORDS.iter().find(|(word, _)| value.contains(word)).map(|(_, gateway)| *gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_named_by_a_header_of_its_own_before_the_web_server_in_front_of_it() {
        let of = |headers: &[(&str, &str)]| {
            headers
                .iter()
                .fold(None, |known, (name, value)| Gateway::prefer(known, Gateway::of_header(name, value)))
        };
        assert_eq!(of(&[("server", "uvicorn"), ("content-type", "text/event-stream")]), None);
        assert_eq!(of(&[("server", "uvicorn"), ("x-litellm-version", "1.55")]), Some(Gateway::Litellm));
        assert_eq!(of(&[("server", "nginx/1.27"), ("x-litellm-model-id", "a")]), Some(Gateway::Litellm));
        assert_eq!(of(&[("via", "1.1 something"), ("server", "istio-envoy")]), Some(Gateway::Envoy));
        assert_eq!(of(&[("via", "1.1 something")]), Some(Gateway::Proxy));
        assert_eq!(of(&[("server", "nginx"), ("x-oneapi-request-id", "1")]), Some(Gateway::OneApi));
        assert_eq!(of(&[("server", "APISIX/3.2".to_lowercase().as_str())]), Some(Gateway::Apisix));
        assert_eq!(of(&[("cf-ray", "8a-FRA")]), Some(Gateway::Cloudflare));
        assert_eq!(of(&[("x-amzn-requestid", "1")]), Some(Gateway::Amazon));
    }
}
