use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A certificate for localhost that nobody has signed, and its key, in files that are gone with it.
#[derive(Debug)]
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Writes a new one.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-certificate-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let certificate = Self { folder };
        certificate.renew();
        certificate
    }

    /// Writes another one over it, and gives it in DER.
    pub fn renew(&self) -> Vec<u8> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(self.cert(), made.cert.pem()).unwrap();
        fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    /// Makes it none, as in the middle of a renewal.
    pub fn break_it(&self) {
        fs::write(self.cert(), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    }

    /// The certificate's file.
    pub fn cert(&self) -> PathBuf {
        self.file("cert.pem")
    }

    /// The key's file.
    pub fn key(&self) -> PathBuf {
        self.file("key.pem")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(Path::new(name))
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
