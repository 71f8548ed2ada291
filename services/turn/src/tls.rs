//! TLS for clients, and what is shown over it and DTLS: a certificate that is replaced while the process runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use dimpl::DtlsCertificate;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_util::sync::CancellationToken;

use crate::dtls::can_sign_with;

/// How often the files are looked at. Links are followed: Kubernetes replaces one when it renews a certificate.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A listener and nothing to show to clients.
    #[error(
        "--turn-tls-cert: --turn-tls-listen and --turn-dtls-listen need a certificate, and --turn-tls-key its key"
    )]
    NoCertificate,
    /// One without the other.
    #[error("--{missing}: give both --turn-tls-cert and --turn-tls-key, or neither")]
    Half {
        /// The option that is missing, without its dashes.
        missing: &'static str,
    },
    /// A certificate that nobody would be shown.
    #[error(
        "--turn-tls-listen: say where TLS is served, such as 0.0.0.0:5349,[::]:5349; or --turn-dtls-listen"
    )]
    NoListener,
    /// A file that cannot be read, or has not in it what it should.
    #[error("--{option} {}: {reason}", path.display())]
    File {
        /// The option, without its dashes.
        option: &'static str,
        /// What it said.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The certificate that clients are shown, and the files it is in.
#[derive(Debug)]
pub(crate) struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    is_for_dtls: bool,
    current: ArcSwap<Shown>,
    loaded: Mutex<Loaded>,
}

/// What the files have in them.
#[derive(Debug)]
struct Shown {
    over_tls: Arc<CertifiedKey>,
    over_dtls: Option<Arc<DtlsCertificate>>,
}

/// What changes when a file does.
type Stamp = Option<(SystemTime, u64)>;

/// How the last look at the files went.
#[derive(Debug)]
struct Loaded {
    /// Of the files that are shown.
    stamps: [Stamp; 2],
    /// What is wrong with those that are there now. It is said once, and they are tried again: another owner or mode does
    /// not change a stamp.
    trouble: Option<String>,
}

impl Certificates {
    /// Where it is to be shown over DTLS too, the key must be of a kind that can be used there.
    ///
    /// # Errors
    /// [`TlsError::File`] names the file.
    pub(crate) fn load(cert: &Path, key: &Path, is_for_dtls: bool) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamps = [stamp(cert), stamp(key)];
        let current = shown(cert, key, &provider, is_for_dtls)?;
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            provider,
            is_for_dtls,
            current: ArcSwap::from_pointee(current),
            loaded: Mutex::new(Loaded {
                stamps,
                trouble: None,
            }),
        })
    }

    /// Loads the files again if they have changed, or in any case when `asked`. What clients are shown stays as it
    /// was when they are broken, as while one of them is being replaced.
    pub(crate) fn reload(&self, asked: bool) {
        let now = [stamp(&self.cert), stamp(&self.key)];
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.stamps == now && !asked {
            return;
        }
        match shown(&self.cert, &self.key, &self.provider, self.is_for_dtls) {
            Ok(shown) => {
                self.current.store(Arc::new(shown));
                *loaded = Loaded {
                    stamps: now,
                    trouble: None,
                };
                tracing::info!("a new certificate is shown to clients");
            }
            Err(error) => {
                let trouble = Some(error.to_string());
                if loaded.trouble != trouble || asked {
                    tracing::error!(%error, "the certificate stays the old one");
                }
                loaded.trouble = trouble;
            }
        }
    }

    /// Looks at the files again and again, and when the process is sent a SIGHUP.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups = signal(SignalKind::hangup())?;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = hangups.recv() => true,
                _ = ticks.tick() => false,
            };
            self.reload(asked);
        }
    }

    /// TLS 1.2 and 1.3, without certificates of clients.
    pub(crate) fn config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(config)
    }

    /// What clients are shown over DTLS now.
    pub(crate) fn for_dtls(&self) -> Option<Arc<DtlsCertificate>> {
        self.current.load().over_dtls.clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().over_tls.clone())
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn shown(
    cert: &Path,
    key: &Path,
    provider: &CryptoProvider,
    is_for_dtls: bool,
) -> Result<Shown, TlsError> {
    let wrong = |option, path: &Path, reason: String| TlsError::File {
        option,
        path: path.to_owned(),
        reason,
    };
    let in_cert = |reason| wrong("turn-tls-cert", cert, reason);
    let in_key = |reason| wrong("turn-tls-key", key, reason);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| in_cert(error.to_string()))?;
    if chain.is_empty() {
        return Err(in_cert("there is no certificate in it".to_owned()));
    }
    let der = PrivateKeyDer::from_pem_file(key).map_err(|error| in_key(error.to_string()))?;
    let over_dtls = is_for_dtls.then(|| DtlsCertificate {
        certificate: chain[0].to_vec(),
        private_key: der.secret_der().to_vec(),
    });
    let over_tls = CertifiedKey::from_der(chain, der, provider);
    let over_tls = over_tls.map_err(|error| in_key(error.to_string()))?;
    if over_dtls
        .as_ref()
        .is_some_and(|dtls| !can_sign_with(&dtls.private_key))
    {
        let reason = "--turn-dtls-listen needs a key for ECDSA, on P-256 or P-384";
        return Err(in_key(reason.to_owned()));
    }
    Ok(Shown {
        over_tls: Arc::new(over_tls),
        over_dtls: over_dtls.map(Arc::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificate and key, in PEM.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("trunkline-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, (cert, key): &(String, String)) {
            fs::write(self.0.join("cert"), cert).unwrap();
            fs::write(self.0.join("key"), key).unwrap();
        }

        fn load(&self) -> Result<Certificates, TlsError> {
            Certificates::load(&self.0.join("cert"), &self.0.join("key"), true)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn shown(certificates: &Certificates) -> Vec<u8> {
        certificates.current.load().over_tls.cert[0].to_vec()
    }

    #[test]
    fn a_certificate_that_changes_is_shown_and_a_broken_one_is_not() {
        let files = Files::new("reload");
        files.write(&made());
        let certificates = files.load().unwrap();
        let first = shown(&certificates);
        certificates.reload(false);
        assert_eq!(shown(&certificates), first);

        // Its length differs, whatever the clock's resolution.
        let (cert, key) = made();
        let second = (format!("{cert}\n\n"), key);
        files.write(&second);
        certificates.reload(false);
        let renewed = shown(&certificates);
        assert_ne!(renewed, first);

        // Half of a renewal: the certificate is new, the key is not yet.
        fs::write(files.0.join("cert"), made().0 + "\n\n\n").unwrap();
        certificates.reload(false);
        assert_eq!(shown(&certificates), renewed);
        fs::remove_file(files.0.join("cert")).unwrap();
        certificates.reload(true);
        assert_eq!(shown(&certificates), renewed);
    }

    #[test]
    fn files_that_could_not_be_read_are_tried_again() {
        let files = Files::new("again");
        files.write(&made());
        let certificates = files.load().unwrap();
        let first = shown(&certificates);
        // As with a mode that is set after they were written: what they are known by stays the same.
        let (cert, key) = made();
        files.write(&(format!("{cert}\n"), "x".repeat(key.len())));
        let before = stamp(&files.0.join("key")).unwrap().0;
        certificates.reload(false);
        assert_eq!(shown(&certificates), first);
        files.write(&(format!("{cert}\n"), key));
        let written = fs::File::options().write(true).open(files.0.join("key"));
        written.unwrap().set_modified(before).unwrap();
        certificates.reload(false);
        assert_ne!(shown(&certificates), first);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_option_and_file() {
        let files = Files::new("wrong");
        let (cert, key) = made();
        let other = made().1;
        for (written, option) in [
            (("".to_owned(), key.clone()), "--turn-tls-cert"),
            ((cert.clone(), "garbage".to_owned()), "--turn-tls-key"),
            ((cert, other), "--turn-tls-key"),
            ((key.clone(), key), "--turn-tls-cert"),
        ] {
            files.write(&written);
            let error = files.load().unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
            assert!(error.contains("trunkline-wrong"), "{error}");
        }
    }
}
