#!/bin/bash
# The tools of the field on a folder, each checked by itself: posix_tools.sh WHAT FOLDER OTHER
# WHAT: rsync tar git sqlite copy fio stress dbench; OTHER: an empty folder on the native file system.
# Ends with 0 if what the tool left is right; says what is wrong otherwise.
set -euo pipefail
what=$1 here=$2 other=$3
cd "$here"
export HOME=$other LC_ALL=C

fail() { echo "$what: $*" >&2; exit 1; }

# A tree with all that copying tools care about.
make_tree() {
  local i
  mkdir -p "$1"/{a/b/c,empty,shared}
  for i in {1..60}; do head -c $((i * 997)) /dev/urandom >"$1/a/b/file $i"; done
  ln "$1/a/b/file 1" "$1/a/hard"
  ln -s ../a/b "$1/a/b/c/link"
  ln -s nowhere "$1/dangling"
  mkfifo "$1/fifo"
  truncate -s 3M "$1/sparse"
  printf 'end' | dd of="$1/sparse" bs=1 seek=2000000 conv=notrunc status=none
  setfattr -n user.note -v "hello" "$1/a/b/file 2"
  setfacl -m u:60001:r,g:60010:rw "$1/a/b/file 3"
  setfacl -d -m u:60001:rwx "$1/shared"
  chown 60001:60010 "$1/a/b/file 4"
  chmod 6755 "$1/a/b/file 5"
  chmod 2775 "$1/shared"
  touch -d '2001-02-03 04:05:06.123456789' "$1/a/b/file 6" "$1/a"
}

# Everything of a tree as text.
tree_of() {
  (cd "$1" && find . -mindepth 1 -printf '%p %y %m %U %G %s %n %T@ %l\n' | grep -v ' d ' | sort
    find . -mindepth 1 -type d -printf '%p %m %U %G %n %T@\n' | sort
    find . -type f -print0 | sort -z | xargs -0 sha256sum
    find . -mindepth 1 ! -type l -print0 | sort -z | xargs -0 getfacl -nsp
    find . -mindepth 1 -print0 | sort -z | xargs -0 getfattr -h -d -m '^user\.')
}

same_trees() {
  diff <(tree_of "$1") <(tree_of "$2") >&2 || fail "$1 and $2 differ"
}

case $what in
  rsync)
    make_tree "$other/tree"
    # Without it rsync takes times within one second for the same.
    copying=(rsync -aHAX --specials --modify-window=-1)
    "${copying[@]}" "$other/tree/" to/
    same_trees "$other/tree" to
    [ -z "$("${copying[@]}" -n --itemize-changes --checksum "$other/tree/" to/)" ] || fail "changes are left"
    echo more >>"$other/tree/a/b/file 9"
    rm "$other/tree/a/b/file 10"
    "${copying[@]}" --delete --inplace "$other/tree/" to/
    same_trees "$other/tree" to
    "${copying[@]}" to/ "$other/back/"
    same_trees "$other/tree" "$other/back"
    ;;
  tar)
    make_tree tree
    tar --xattrs --acls -cSf "$other/tree.tar" tree
    mkdir from
    tar --xattrs --acls --same-owner -xpf "$other/tree.tar" -C from
    same_trees tree from/tree
    tar --xattrs --acls -df "$other/tree.tar" || fail "tar finds differences"
    ;;
  git)
    git init -q repository
    cd repository
    git config user.name somebody && git config user.email somebody@example.org && git config core.fsync all
    for i in {1..15}; do
      mkdir -p "d$((i % 5))"
      head -c 3000 /dev/urandom | base64 >"d$((i % 5))/f$i"
      git add -A
      git commit -qm "commit $i"
    done
    git checkout -qb other HEAD~10 && echo x >new && git add new && git commit -qm other
    git checkout -q - && git merge -q --no-edit other
    git repack -qad && git gc -q && git fsck --full --strict
    git clone -q --no-local . ../clone && git clone -q . ../hard
    for copy in ../clone ../hard; do
      [ "$(git -C $copy rev-parse HEAD^{tree})" = "$(git rev-parse HEAD^{tree})" ] || fail "clone differs"
      git -C $copy fsck --full && [ -z "$(git -C $copy status --porcelain)" ] || fail "clone is not clean"
    done
    git worktree add -q ../worktree HEAD~5 && [ -z "$(git -C ../worktree status --porcelain)" ]
    ;;
  sqlite)
    sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t(who INT, n INT, text TEXT, PRIMARY KEY(who, n));' >/dev/null
    writers=4 rows=60
    for who in $(seq $writers); do
      {
        echo '.timeout 60000'
        for n in $(seq $rows); do
          echo "BEGIN IMMEDIATE; INSERT INTO t VALUES($who, $n, hex(randomblob(200))); COMMIT;"
        done
      } | sqlite3 db &
    done
    wait
    [ "$(sqlite3 db 'PRAGMA integrity_check')" = ok ] || fail "the database is damaged"
    [ "$(sqlite3 db 'SELECT count(*) FROM t')" = $((writers * rows)) ] || fail "rows are missing"
    sqlite3 db 'PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE; VACUUM;' >/dev/null
    [ "$(sqlite3 db 'PRAGMA integrity_check')" = ok ] || fail "the database is damaged after VACUUM"
    ;;
  copy)
    make_tree tree
    cp -a --reflink=auto --sparse=auto tree copy
    same_trees tree copy
    cp -a --sparse=always tree always
    same_trees tree always
    [ "$(stat -c %b tree/sparse)" -lt 4000 ] || fail "a sparse file seems to be full"
    [ "$(stat -c %b copy/sparse)" -lt 4000 ] || fail "the copy of a sparse file is full"
    cp -a tree "$other/tree"
    same_trees tree "$other/tree"
    mv copy "$other/moved" && same_trees tree "$other/moved"
    ;;
  fio)
    fio --directory="$here" --name=verify --rw=randrw --bs=1k-64k --size=24m --numjobs=2 --verify=crc32c \
      --verify_fatal=1 --do_verify=1 --ioengine=psync --output="$other/fio1" || fail "$(cat "$other/fio1")"
    fio --directory="$here" --name=direct --rw=randwrite --bs=4k --size=16m --direct=1 --verify=md5 \
      --verify_fatal=1 --ioengine=libaio --iodepth=16 --output="$other/fio2" || fail "$(cat "$other/fio2")"
    fio --directory="$here" --name=mapped --rw=randwrite --bs=4k --size=16m --verify=crc32c \
      --verify_fatal=1 --ioengine=mmap --output="$other/fio3" || fail "$(cat "$other/fio3")"
    ;;
  stress)
    seconds=${TIERHUB_STRESS_S:-1}
    for stressor in access aio aiol chdir chmod chown copy-file dentry dir dirdeep dirmany fallocate fcntl filename flock \
      fpunch fsize fstat getdent handle hdd iomix lease link locka lockf lockofd mknod mmap msync open readahead rename revio seek \
      sendfile symlink sync-file touch utime xattr; do
      stress-ng --temp-path "$here" --"$stressor" 2 --"$stressor"-ops "${TIERHUB_STRESS_OPS:-300}" --timeout "$seconds" --verify \
        >"$other/stress" 2>&1 || [ $? = 4 ] || fail "$stressor: $(cat "$other/stress")"
    done
    ;;
  dbench)
    dbench -D "$here" -t "${TIERHUB_DBENCH_S:-5}" -c /usr/share/dbench/client.txt 2 >"$other/dbench" 2>&1 || fail "$(tail "$other/dbench")"
    grep -q 'Throughput' "$other/dbench" || fail "$(tail "$other/dbench")"
    ;;
  *) fail "unknown" ;;
esac
