#!/usr/bin/env bash
# Finds or makes a Python environment with Isaac Lab and alice in it, then hands over to it:
#
#     ./isaaclab.sh -p scripts/train.py ...     runs Python
#     ./isaaclab.sh list_envs                   any other words go to Isaac Lab's own command
#
# The environment is the first of these that exists:
#     1. the Isaac Lab checkout that $ISAACLAB_PATH names
#     2. the active environment (virtual, conda), if Isaac Lab is installed in it
#     3. .venv in this folder, once it is complete
#     4. the `python3` or `python` on PATH, if Isaac Lab is installed for it
#     5. .venv in this folder, made now: needs a Python with pip or uv, a network, and no root

# With line ends of Windows each line below ends in a carriage return that bash takes for a word; behind a # it is none.
eol='
' #
windows="has line ends of Windows. Clone alice with git, or run: sed -i 's/\\r//' isaaclab.sh" #
[ "${#eol}" = 1 ] || { echo "alice: error: $0 $windows" >&2; exit 2; } #
set -u

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv=$here/.venv
stamp=$venv/.alice-stamp    # written last: its text says which dependency list, in which place, was installed
log=$here/.venv-setup.log
need_gb=12                  # 8 GB installed, the rest for downloads on their way

say() { printf 'alice: %s\n' "$*" >&2; }
die() { printf 'alice: error: %s\n' "$*" >&2; exit 2; }
# Prints why pip or uv failed: the innermost cause is their last line, apart from hints.
reason() {
    local line; line=$(grep -vE '^[[:space:]]*(hint:.*|\[notice\].*)?$' "$log" | tail -n 1 | cut -c 1-300)
    echo "${line#*cause: } (whole log: $log)"
}

# has PREFIX NAME: is a package installed under PREFIX? Asks the file system, because starting Python to ask it
# would cost more than all the rest of a normal start.
has() { compgen -G "$1/lib/python3*/*-packages/$2-*.dist-info" >/dev/null; }

# Let pip and uv install where they are told to, whatever the user's settings for other projects say. The subshells keep
# that from the command in the end.
pip_as_told() (
    unset PIP_TARGET PIP_PREFIX PIP_ROOT
    export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
    "$@"
)
uv_as_told() (
    unset UV_SYSTEM_PYTHON UV_NO_BUILD UV_NO_BUILD_ISOLATION UV_REQUIRE_HASHES UV_RESOLUTION UV_PRERELEASE
    # Where Python may not keep what it has compiled, each start would compile PyTorch and Isaac Lab anew: 10 s, not 2.
    [[ ${PYTHONDONTWRITEBYTECODE-} ]] && export UV_COMPILE_BYTECODE=1
    cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME-}/.cache}/uv}
    while [[ $cache == */* && ! -e $cache ]]; do cache=${cache%/*}; done
    [[ -w ${cache:-/} ]] || export UV_CACHE_DIR=$here/.uv/cache    # removed when all is installed
    "$uv" "$@"
)

# keep_out NAMES...: drop variables that are meant for another Python or another project's tests, with a word.
keep_out() {
    local name
    for name in "$@"; do
        [[ -n ${!name-} ]] && say "note: $name=${!name:0:60} is for other programs and not used here"
        unset "$name"
    done
}

# Drops what a ROS terminal adds to PYTHONPATH. The rest of it may be how an Isaac Lab that is not ours finds Isaac Sim.
keep_out_ros() {
    local entry prefix entries prefixes kept=
    IFS=: read -ra entries <<<"${PYTHONPATH-}"
    IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH-}:/opt/ros"
    for entry in ${entries[@]+"${entries[@]}"}; do
        for prefix in "${prefixes[@]}"; do
            [[ -n $prefix && $entry == "$prefix"/* ]] && continue 2
        done
        kept=${kept:+$kept:}$entry
    done
    [[ $kept == "${PYTHONPATH-}" ]] && return
    say "note: the entries of ROS in PYTHONPATH are not used here"
    if [[ $kept ]]; then export PYTHONPATH=$kept; else unset PYTHONPATH; fi
}

# keep_out_plugins WORDS...: what these variables add to other projects' tests is not there in an environment of ours.
keep_out_plugins() { case " $* " in *pytest*) keep_out PYTEST_ADDOPTS PYTEST_PLUGINS ;; esac; }

# fits PREFIX: is the Isaac Lab in there the one alice is for? Sets $found to its version. A source checkout of 3.0.0
# calls itself 28.0.0; later ones of either kind may work.
fits() {
    for found in "$1"/lib/python3*/*-packages/isaaclab-*.dist-info; do
        [[ -e $found ]] || continue
        found=${found##*/isaaclab-}; found=${found%.dist-info}
        case $found in
            3.0.0 | 28.0.0) ;;
            3.* | 28.* | 29.* | [3-9][0-9].*) say "note: Isaac Lab $found in $1 is newer than 3.0.0, which alice is for" ;;
            *) return 1 ;;
        esac
    done
}
# refuse PREFIX HOW: say that the Isaac Lab in there does not fit, and how to leave it.
refuse() { die "found Isaac Lab $found in $1, alice is for 3.0.0. $2 (alice then makes an environment of its own)."; }

# hand_over PREFIX WORDS...: become the environment's Python or its `isaaclab` command.
hand_over() {
    local bin=$1/bin; shift
    export PATH="$bin:$PATH"
    if [[ ${1-} == -p || ${1-} == --python ]]; then shift; exec "$bin/python" "$@"; fi
    (( $# )) || say "train alice with '-p scripts/train.py --task Alice-Ball-Transfer'; what follows is of Isaac Lab."
    exec "$bin/isaaclab" "$@"
}

# Sets $uv. A name on PATH proves nothing (a pyenv shim may stand for a version that is not selected): run it.
get_uv() {
    local python
    for uv in uv "${HOME-}/.local/bin/uv" "$here/.uv/bin/uv"; do
        "$uv" --version >/dev/null 2>&1 && return
    done
    for python in python3 python python3.12; do    # the last name tried, $here/.uv/bin/uv, is what pip makes here
        "$python" -m pip --version >/dev/null 2>&1 || continue
        say "getting the installer uv with '$python -m pip'"
        # --target needs neither root nor the venv module, and works where the system forbids `pip install --user`.
        rm -rf -- "$here/.uv"
        pip_as_told "$python" -m pip install --disable-pip-version-check --target "$here/.uv" uv >>"$log" 2>&1 && return
        die "pip could not get uv: $(reason). Check the network and pip's settings, or install uv, and start again."
    done
    die "neither uv nor a Python with pip is on PATH. Install one (for example python3-pip) and start again."
}

# Prints a Python 3.12, or just "3.12", which makes uv look for one itself and then download it.
find_python() {
    local candidate
    for candidate in python3.12 python3 python "${PYENV_ROOT:-${HOME-}/.pyenv}"/versions/3.12*/bin/python3.12; do
        "$candidate" -c 'import sys; print(sys.executable) if sys.version_info[:2] == (3, 12) else exit(1)' \
            2>/dev/null && return
    done
    echo 3.12
}

# add_alice PREFIX COMMAND...: install this checkout with COMMAND (a Python) into an environment that is not ours.
# Only alice: the versions of Isaac Lab and torch in there are the owner's choice.
add_alice() {
    local prefix=$1 url; shift
    if has "$prefix" alice; then
        for url in "$prefix"/lib/python3*/*-packages/alice-*.dist-info/direct_url.json; do
            grep -qsF "\"file://${here// /%20}\"" "$url" ||
                say "warning: $prefix has another copy of alice installed, and that one will run. For this one:" \
                    "$* -m pip install --no-deps -e $here"
        done
        return
    fi
    say "installing alice into $prefix"
    if "$@" -m pip --version >/dev/null 2>&1; then
        pip_as_told "$@" -m pip install --no-deps -e "$here" >"$log" 2>&1
    else
        : >"$log"; get_uv
        uv_as_told pip install --python "$prefix/bin/python" --no-deps -e "$here" >>"$log" 2>&1
    fi || die "could not install alice into $prefix: $(reason). Check the network, or deactivate that environment" \
        "(alice then makes its own), and start again."
    rm -f -- "$log"
}

want="$(cat "$here/setup.py" "$here/pyproject.toml" | cksum) $here"
is_complete() { [[ -x $venv/bin/python && -r $stamp && $(<"$stamp") == "$want" ]]; }

make_venv() {
    local python free fresh=
    # Two first starts at once: the second waits, then finds the work done. The lock goes with the process.
    { exec 9>>"$here/.venv.lock"; } 2>/dev/null ||
        die "cannot write to $here. Make it writable, or clone alice elsewhere."
    if command -v flock >/dev/null && ! flock -n 9; then
        say "waiting for another start that is setting up $venv"
        flock 9
    fi
    is_complete && return
    : >"$log"

    # Two kinds of .venv are beyond repair and made anew, and the stamp of neither ends in this place: where an
    # installer was killed, packages look installed and are not; where the clone was moved, every command's first line
    # names the old place.
    if [[ ! -x $venv/bin/python || ! -f $venv/pyvenv.cfg || ( -r $stamp && $(<"$stamp") != *" $here" ) ]]; then
        fresh=yes
        [[ -e $venv ]] && say "$venv was moved, or its set-up did not finish: making it anew"
        rm -rf -- "$venv"
        free=$(df -Pk "$here" | tail -n 1 | { read -r _ _ _ kb _; echo "$kb"; })
        [[ ! $free =~ ^[0-9]+$ ]] || (( free >= need_gb << 20 )) ||
            die "only $((free >> 20)) GB free at $here, set-up needs about $need_gb GB. Free some and start again."
        get_uv
        python=$(find_python)
        say "making $venv with Python $python"
        uv_as_told venv --python "$python" "$venv" >>"$log" 2>&1 ||
            case $python in
                3.12) die "no Python 3.12: none on PATH or in pyenv, and uv could not get one: $(reason). Install it" \
                    "(for example 'pyenv install 3.12'), or check the network, and start again." ;;
                *) die "uv could not make $venv with $python: $(reason). Mend that and start again." ;;
            esac
    else
        "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' ||
            die "$venv is not Python 3.12. Remove it (rm -r $venv) and start again."
        get_uv
    fi

    echo unfinished >"$stamp"
    say "installing Isaac Lab and alice (about 8 GB the first time; log: $log)"
    # On the terminal only the steps and the large downloads; the log has every line.
    (cd "$here" && uv_as_told pip install --python "$venv/bin/python" pip -e ".[train,test]") 2>&1 | tee -a "$log" |
        grep --line-buffered -E '^(Resolved|Downloading.*[0-9]{3}\.[0-9]MiB|Prepared|Installed)' >&2
    if (( PIPESTATUS[0] )); then
        # uv downloads everything before it installs anything, so an environment that worked before still does.
        [[ $fresh ]] || rm -f -- "$stamp"
        die "installation failed: $(reason). Check the network and the free disk space, and start again."
    fi
    echo "$want" >"$stamp"
    rm -rf -- "$log" "$here/.uv/cache"
}

if [[ -n ${ISAACLAB_PATH-} && ! $ISAACLAB_PATH -ef $here ]]; then
    [[ -x $ISAACLAB_PATH/isaaclab.sh ]] ||
        die "ISAACLAB_PATH is '$ISAACLAB_PATH', which has no isaaclab.sh. Name an Isaac Lab checkout, or unset it."
    # The same order in which that script looks for its Python.
    for prefix in "${VIRTUAL_ENV-}" "${CONDA_PREFIX-}" "$ISAACLAB_PATH"/{env_isaaclab,.venv,_isaac_sim/kit/python}; do
        [[ -n $prefix && -d $prefix ]] && break
    done
    [[ -d $prefix ]] || prefix=$("$ISAACLAB_PATH/isaaclab.sh" -p -Ic 'import sys; print(sys.prefix)' | tail -n 1)
    fits "$prefix" || refuse "$prefix" "Unset ISAACLAB_PATH"
    keep_out_ros
    keep_out_plugins "$@"
    add_alice "$prefix" "$ISAACLAB_PATH/isaaclab.sh" -p
    exec "$ISAACLAB_PATH/isaaclab.sh" "$@"
fi

for prefix in "${VIRTUAL_ENV-}" "${CONDA_PREFIX-}"; do
    [[ -n $prefix && ! $prefix -ef $venv ]] && has "$prefix" isaaclab || continue
    fits "$prefix" || refuse "$prefix" "Deactivate that environment"
    keep_out_ros
    keep_out_plugins "$@"
    add_alice "$prefix" "$prefix/bin/python"
    hand_over "$prefix" "$@"
done

if ! is_complete; then
    for python in python3 python; do
        prefix=$("$python" -Ic 'import sys; print(sys.prefix)' 2>/dev/null) && has "$prefix" isaaclab || continue
        [[ $prefix -ef $venv ]] && continue
        fits "$prefix" || { say "note: Isaac Lab $found in $prefix is not used: alice is for 3.0.0"; continue; }
        keep_out_ros
        keep_out_plugins "$@"
        add_alice "$prefix" "$python"
        hand_over "$prefix" "$@"
    done
fi
# From here on the Python is ours, and all that it needs lies in .venv.
keep_out PYTHONPATH PYTHONHOME
keep_out_plugins "$@"
if ! is_complete; then
    make_venv
    exec 9>&-
fi
export VIRTUAL_ENV=$venv
unset CONDA_PREFIX
hand_over "$venv" "$@"
