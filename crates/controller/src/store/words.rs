//! Closed lists whose members stand as one word each, in the database, in JSON and in what a person types.

/// Defines an enum with a word for each variant: `as_str`, `FromStr`, `Display` and serde all go by the words.
macro_rules! words {
    ($(#[$meta:meta])* enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub(crate) enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one there is.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().copied().find(|member| member.as_str() == word);
                found.ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|member| member.as_str()).collect();
                    format!("one of {} is expected", words.join(", "))
                })
            }
        }
    };
}

pub(crate) use words;
