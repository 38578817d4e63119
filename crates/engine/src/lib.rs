//! The Docker-shaped world above the runtime: images by name, their content stored once, registries.
//!
//! In reading order: [`Store`] (where everything is), [`Name`] (what people call an image), [`Image`] (what it is), [`Layers`]
//! (what it is made of, unpacked), [`formats`] (files that hold images), `registry` (machines that do; feature `registry`).
//!
//! It knows no lab. How a layer is unpacked, and what the chain of several is called, comes from above, as [`Verbs`].

mod blobs;
pub mod formats;
mod gc;
mod image;
mod images;
mod layers;
mod make;
mod name;
#[cfg(feature = "registry")]
pub mod registry;
mod store;
mod unpack;

pub use blobs::Incoming;
pub use gc::Freed;
pub use image::{Image, Platform, media_type, resolve_all};
pub use images::{Images, Record};
pub use layers::{INIT, Layers, Packed, Unpack, Verbs};
pub use make::{NewLayer, Remarks, make};
pub use name::Name;
pub use store::{InUse, Store};
pub use unpack::{Bring, nobody, unpack};
