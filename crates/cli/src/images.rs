//! What may be said about images (lab 13).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with images. The names are as Docker's: `debian`, `me/web:1.2`, `localhost:5000/web`, the digits of an id.
#[derive(Debug, Subcommand)]
pub enum Images {
    /// Fetch an image from a registry (lab 13)
    Pull {
        /// The one for this platform: linux/arm64 [default: this machine's]
        #[arg(long, value_name = "OS/ARCH")]
        platform: Option<String>,
        /// Say nothing but the image's id
        #[arg(short, long)]
        quiet: bool,
        /// The image
        image: String,
    },
    /// Give an image to a registry (lab 13)
    Push {
        /// Say nothing
        #[arg(short, long)]
        quiet: bool,
        /// The image, by a name that says the registry
        image: String,
    },
    /// Load images from what `docker save` has written, or from an OCI layout (lab 13)
    Load {
        /// An archive, packed or not, or a directory with an OCI layout [default: standard input]
        #[arg(short, long, value_name = "PATH")]
        input: Option<PathBuf>,
        /// Of an image for several platforms, the one for this: linux/arm64 [default: this machine's]
        #[arg(long, value_name = "OS/ARCH")]
        platform: Option<String>,
    },
    /// Write images to an archive that is an OCI layout, and that `docker load` reads (lab 13)
    Save {
        /// The archive [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The images
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// Make an image of one layer from the archive of a root file system (lab 13)
    Import {
        /// Change how it is to be run: 'CMD ["sh"]', 'ENV A=1', 'USER me' and the like
        #[arg(short, long, value_name = "LINE")]
        change: Vec<String>,
        /// What to say in its history
        #[arg(short, long, value_name = "TEXT")]
        message: Option<String>,
        /// The archive, packed or not; - for standard input
        file: PathBuf,
        /// The image's name
        image: Option<String>,
    },
    /// List the images (lab 13)
    Images {
        /// Their ids alone
        #[arg(short, long)]
        quiet: bool,
        /// The whole ids
        #[arg(long)]
        no_trunc: bool,
        /// Those of this name alone
        image: Option<String>,
    },
    /// Show how an image was made (lab 13)
    History {
        /// All of each command
        #[arg(long)]
        no_trunc: bool,
        /// The image
        image: String,
    },
    /// Make an image from what a container has written (lab 13)
    Commit(Commit),
    /// Give an image one more name (lab 13)
    Tag {
        /// The image
        image: String,
        /// The name
        name: String,
    },
    /// Take names from images, and remove those that have none then; one that a container uses stays (lab 13)
    Rmi {
        /// Take all its names from an image that is given by its id
        #[arg(short, long)]
        force: bool,
        /// The images
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// Show what takes how much space, or remove what nobody needs (lab 13)
    #[command(subcommand)]
    System(System),
}

/// The flags of `commit`.
#[derive(Debug, Args)]
pub struct Commit {
    /// Who made it
    #[arg(short, long, value_name = "NAME")]
    pub author: Option<String>,
    /// What to say in its history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Change how it is to be run: 'CMD ["sh"]', 'ENV A=1', 'USER me' and the like
    #[arg(short, long, value_name = "LINE")]
    pub change: Vec<String>,
    /// The container; it may have ended
    pub container: String,
    /// The image's name
    pub image: Option<String>,
}

/// What to do with everything that is kept.
#[derive(Debug, Subcommand)]
pub enum System {
    /// Show how much images, containers and volumes take
    Df,
    /// Remove images without a name, containers that have ended, and what killed processes have left
    Prune {
        /// Images too that have a name and no container
        #[arg(short, long)]
        all: bool,
        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
}

/// When `run` fetches an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// When it is not there.
    Missing,
    /// Before every run.
    Always,
    /// Never.
    Never,
}

/// The image that a container is made from, as far as its flags cannot say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Based {
    /// Its id.
    pub id: String,
    /// Its layers, the topmost first, from the root file system's directory; none when that is a copy of them.
    pub chain: Vec<PathBuf>,
    /// Its environment.
    pub env: Vec<String>,
    /// Places that get a volume unless a flag gives them something else.
    pub volumes: Vec<PathBuf>,
}
