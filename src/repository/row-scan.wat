;; Finds rows in COPY text, sums their hashes, and says where a segment ends. One pass at memory speed: per-row work in
;; plain JavaScript took longer than compressing the rows. Compiled by scripts/build-row-scan.ts; a test keeps the two
;; equal. The rules are in FORMAT.md, "Segments"; the reference implementation is in test/unit.
;;
;; The caller writes bytes behind `end`, calls scan(end), and takes [segment_start, result) as a segment when the result
;; is not 0. It may move everything from segment_start down, and then calls rebase(distance).
(module
  (memory (export "memory") 160)

  (global $segment_start (export "segmentStart") (mut i32) (i32.const 0))
  (global $row_start (export "rowStart") (mut i32) (i32.const 0))
  (global $scanned (mut i32) (i32.const 0))            ;; no newline before this position in the current row
  (global $segment_rows (export "segmentRows") (mut i32) (i32.const 0))
  (global $checksum (export "checksum") (mut i64) (i64.const 0))
  (global $seed (mut i64) (i64.const 0))
  (global $key_columns (mut i32) (i32.const 0))
  (global $min_bytes (mut i32) (i32.const 0))
  (global $max_bytes (mut i32) (i32.const 0))
  (global $threshold_per_byte (mut i64) (i64.const 0)) ;; floor(2^64 / (target - min))
  (global $certain_bytes (mut i32) (i32.const 0))      ;; a row this long cuts whatever its hash

  (global $P1 i64 (i64.const 0x9E3779B185EBCA87))
  (global $P2 i64 (i64.const 0xC2B2AE3D27D4EB4F))
  (global $P3 i64 (i64.const 0x165667B19E3779F9))
  (global $P4 i64 (i64.const 0x85EBCA77C2B2AE63))
  (global $P5 i64 (i64.const 0x27D4EB2F165667C5))

  (func (export "begin") (param $seed i64) (param $key_columns i32) (param $min i32) (param $max i32) (param $per_byte i64) (param $certain i32)
    (global.set $segment_start (i32.const 0))
    (global.set $row_start (i32.const 0))
    (global.set $scanned (i32.const 0))
    (global.set $segment_rows (i32.const 0))
    (global.set $checksum (i64.const 0))
    (global.set $seed (local.get $seed))
    (global.set $key_columns (local.get $key_columns))
    (global.set $min_bytes (local.get $min))
    (global.set $max_bytes (local.get $max))
    (global.set $threshold_per_byte (local.get $per_byte))
    (global.set $certain_bytes (local.get $certain)))

  (func (export "rebase") (param $distance i32)
    (global.set $segment_start (i32.sub (global.get $segment_start) (local.get $distance)))
    (global.set $row_start (i32.sub (global.get $row_start) (local.get $distance)))
    (global.set $scanned (i32.sub (global.get $scanned) (local.get $distance))))

  (func (export "startSegment") (param $at i32)
    (global.set $segment_start (local.get $at))
    (global.set $segment_rows (i32.const 0)))

  (func $round (param $acc i64) (param $input i64) (result i64)
    (i64.mul
      (i64.rotl (i64.add (local.get $acc) (i64.mul (local.get $input) (global.get $P2))) (i64.const 31))
      (global.get $P1)))

  (func $merge (param $hash i64) (param $lane i64) (result i64)
    (i64.add
      (i64.mul (i64.xor (local.get $hash) (call $round (i64.const 0) (local.get $lane))) (global.get $P1))
      (global.get $P4)))

  ;; XXH64 of [at, end)
  (func $xxh64 (export "xxh64") (param $at i32) (param $end i32) (param $seed i64) (result i64)
    (local $hash i64) (local $v1 i64) (local $v2 i64) (local $v3 i64) (local $v4 i64) (local $length i32)
    (local.set $length (i32.sub (local.get $end) (local.get $at)))
    (if (i32.ge_u (local.get $length) (i32.const 32))
      (then
        (local.set $v1 (i64.add (i64.add (local.get $seed) (global.get $P1)) (global.get $P2)))
        (local.set $v2 (i64.add (local.get $seed) (global.get $P2)))
        (local.set $v3 (local.get $seed))
        (local.set $v4 (i64.sub (local.get $seed) (global.get $P1)))
        (loop $stripes
          (local.set $v1 (call $round (local.get $v1) (i64.load align=1 (local.get $at))))
          (local.set $v2 (call $round (local.get $v2) (i64.load offset=8 align=1 (local.get $at))))
          (local.set $v3 (call $round (local.get $v3) (i64.load offset=16 align=1 (local.get $at))))
          (local.set $v4 (call $round (local.get $v4) (i64.load offset=24 align=1 (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (br_if $stripes (i32.le_u (i32.add (local.get $at) (i32.const 32)) (local.get $end))))
        (local.set $hash
          (i64.add
            (i64.add (i64.rotl (local.get $v1) (i64.const 1)) (i64.rotl (local.get $v2) (i64.const 7)))
            (i64.add (i64.rotl (local.get $v3) (i64.const 12)) (i64.rotl (local.get $v4) (i64.const 18)))))
        (local.set $hash (call $merge (local.get $hash) (local.get $v1)))
        (local.set $hash (call $merge (local.get $hash) (local.get $v2)))
        (local.set $hash (call $merge (local.get $hash) (local.get $v3)))
        (local.set $hash (call $merge (local.get $hash) (local.get $v4))))
      (else (local.set $hash (i64.add (local.get $seed) (global.get $P5)))))
    (local.set $hash (i64.add (local.get $hash) (i64.extend_i32_u (local.get $length))))
    (block $words_done
      (loop $words
        (br_if $words_done (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (local.set $hash (i64.xor (local.get $hash) (call $round (i64.const 0) (i64.load align=1 (local.get $at)))))
        (local.set $hash (i64.add (i64.mul (i64.rotl (local.get $hash) (i64.const 27)) (global.get $P1)) (global.get $P4)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $words)))
    (if (i32.le_u (i32.add (local.get $at) (i32.const 4)) (local.get $end))
      (then
        (local.set $hash (i64.xor (local.get $hash) (i64.mul (i64.load32_u align=1 (local.get $at)) (global.get $P1))))
        (local.set $hash (i64.add (i64.mul (i64.rotl (local.get $hash) (i64.const 23)) (global.get $P2)) (global.get $P3)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))))
    (block $bytes_done
      (loop $bytes
        (br_if $bytes_done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $hash (i64.xor (local.get $hash) (i64.mul (i64.load8_u (local.get $at)) (global.get $P5))))
        (local.set $hash (i64.mul (i64.rotl (local.get $hash) (i64.const 11)) (global.get $P1)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (local.set $hash (i64.mul (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 33))) (global.get $P2)))
    (local.set $hash (i64.mul (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 29))) (global.get $P3)))
    (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32))))

  ;; Position of the next newline in [at, end), or end. Reads up to 15 bytes beyond end: the caller keeps them in memory.
  (func $find_newline (param $at i32) (param $end i32) (result i32)
    (local $mask i32)
    (block $none
      (loop $vectors
        (br_if $none (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $mask (i8x16.bitmask (i8x16.eq (v128.load align=1 (local.get $at)) (i8x16.splat (i32.const 10)))))
        (if (local.get $mask)
          (then
            (local.set $at (i32.add (local.get $at) (i32.ctz (local.get $mask))))
            (return (select (local.get $at) (local.get $end) (i32.lt_u (local.get $at) (local.get $end))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $vectors)))
    (local.get $end))

  ;; End of the first $columns tab-separated fields of a row; the row's end where it has no more, or for 0 columns.
  (func $key_end (param $at i32) (param $end i32) (param $columns i32) (result i32)
    (if (i32.eqz (local.get $columns)) (then (return (local.get $end))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 9))
          (then
            (local.set $columns (i32.sub (local.get $columns) (i32.const 1)))
            (if (i32.eqz (local.get $columns)) (then (return (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (local.get $end))

  ;; Goes on from where the last call stopped. Returns the end of a segment, or 0 when the bytes ran out first.
  (func (export "scan") (param $end i32) (result i32)
    (local $newline i32) (local $next i32) (local $row_bytes i32) (local $segment_bytes i32)
    (loop $rows
      (local.set $newline (call $find_newline (global.get $scanned) (local.get $end)))
      (if (i32.eq (local.get $newline) (local.get $end))
        (then
          (global.set $scanned (local.get $end))
          (return (i32.const 0))))
      (global.set $checksum
        (i64.add (global.get $checksum) (call $xxh64 (global.get $row_start) (local.get $newline) (i64.const 0))))
      (global.set $segment_rows (i32.add (global.get $segment_rows) (i32.const 1)))
      (local.set $next (i32.add (local.get $newline) (i32.const 1)))
      (local.set $row_bytes (i32.sub (local.get $next) (global.get $row_start)))
      (local.set $segment_bytes (i32.sub (local.get $next) (global.get $segment_start)))
      (if (i32.ge_u (local.get $segment_bytes) (global.get $min_bytes))
        (then
          (if (i32.or
                (i32.or
                  (i32.ge_u (local.get $segment_bytes) (global.get $max_bytes))
                  (i32.ge_u (local.get $row_bytes) (global.get $certain_bytes)))
                (i64.lt_u
                  (call $xxh64
                    (global.get $row_start)
                    (call $key_end (global.get $row_start) (local.get $newline) (global.get $key_columns))
                    (global.get $seed))
                  (i64.mul (i64.extend_i32_u (local.get $row_bytes)) (global.get $threshold_per_byte))))
            (then
              (global.set $row_start (local.get $next))
              (global.set $scanned (local.get $next))
              (return (local.get $next))))))
      (global.set $row_start (local.get $next))
      (global.set $scanned (local.get $next))
      (br $rows))
    (unreachable))

  ;; A set of keys, as 64-bit hashes in an open table that lies in this memory: 8 bytes a slot, zero where empty. The caller
  ;; makes it at least twice as large as what goes in, a power of two, and clears it.
  (global $keys_at (mut i32) (i32.const 0))
  (global $keys_mask (mut i32) (i32.const 0))
  (global $found_end (export "foundEnd") (mut i32) (i32.const 0))        ;; the newline of the row that was found; 0 = none
  (global $found_key_end (export "foundKeyEnd") (mut i32) (i32.const 0))

  (func (export "beginKeys") (param $at i32) (param $slots i32)
    (global.set $keys_at (local.get $at))
    (global.set $keys_mask (i32.sub (local.get $slots) (i32.const 1))))

  (func $key_hash (param $at i32) (param $end i32) (result i64)
    (local $hash i64)
    (local.set $hash (call $xxh64 (local.get $at) (local.get $end) (i64.const 0)))
    (select (i64.const 1) (local.get $hash) (i64.eqz (local.get $hash))))

  ;; Where a hash lies, or the empty slot where it would.
  (func $slot (param $hash i64) (result i32)
    (local $index i32) (local $address i32) (local $held i64)
    (local.set $index (i32.wrap_i64 (local.get $hash)))
    (loop $probe
      (local.set $index (i32.and (local.get $index) (global.get $keys_mask)))
      (local.set $address (i32.add (global.get $keys_at) (i32.shl (local.get $index) (i32.const 3))))
      (local.set $held (i64.load (local.get $address)))
      (if (i32.or (i64.eqz (local.get $held)) (i64.eq (local.get $held) (local.get $hash)))
        (then (return (local.get $address))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br $probe))
    (unreachable))

  ;; Adds the keys of the whole rows in [at, end). Returns where the first row begins that is not whole.
  (func (export "insertKeys") (param $at i32) (param $end i32) (param $columns i32) (result i32)
    (local $newline i32) (local $hash i64)
    (loop $rows
      (local.set $newline (call $find_newline (local.get $at) (local.get $end)))
      (if (i32.eq (local.get $newline) (local.get $end)) (then (return (local.get $at))))
      (local.set $hash
        (call $key_hash (local.get $at) (call $key_end (local.get $at) (local.get $newline) (local.get $columns))))
      (i64.store (call $slot (local.get $hash)) (local.get $hash))
      (local.set $at (i32.add (local.get $newline) (i32.const 1)))
      (br $rows))
    (unreachable))

  ;; The first row in [at, end) whose key is in the set (wanted = 1), or is not (0). Returns where it begins, and sets
  ;; foundEnd and foundKeyEnd; with foundEnd 0 there is none.
  (func (export "findKey") (param $at i32) (param $end i32) (param $columns i32) (param $wanted i32) (result i32)
    (local $newline i32) (local $key_end i32)
    (loop $rows
      (local.set $newline (call $find_newline (local.get $at) (local.get $end)))
      (if (i32.eq (local.get $newline) (local.get $end))
        (then
          (global.set $found_end (i32.const 0))
          (return (local.get $at))))
      (local.set $key_end (call $key_end (local.get $at) (local.get $newline) (local.get $columns)))
      (if (i32.eq
            (local.get $wanted)
            (i64.ne (i64.load (call $slot (call $key_hash (local.get $at) (local.get $key_end)))) (i64.const 0)))
        (then
          (global.set $found_end (local.get $newline))
          (global.set $found_key_end (local.get $key_end))
          (return (local.get $at))))
      (local.set $at (i32.add (local.get $newline) (i32.const 1)))
      (br $rows))
    (unreachable)))
