"""The hook for bash (4.4 or later), as the text that the shell reads at its start. No logic here.

How it works, line by line, is said in docs/shell-hook.md; what the gateway makes of it in `hook`.

What keys and the trap call has backquotes, not `$(`: bash 5.2 parses the latter as it expands it, and
inside the open quote of an unfinished line it then writes beside its line buffer, and may abort.

`set -T` stands before `local -`, which would take it back: with it subshells inherit the trap, and
`( … )` has none of its own. Several of them may ask at once: each has numbers that no other has, so
none reads what another was answered. A denied one ends, for a skipped command counts as a success.

What stands behind a person's prompts is POSIX, for an exported one is expanded by other shells, too.
It has no `!`, which is a number there in POSIX mode. `__gk_mark` keeps the last character of the
prompt from being read together with it.

Parts of an array PROMPT_COMMAND each find `$?` as it was; a status that the hook's own returned would
set off an ERR trap. Nothing here matches by `=~`: the person's BASH_REMATCH stays.
"""

from __future__ import annotations

from typing import Final

BASH_HOOK: Final = r"""
exec 9<&-
__gk_k= __gk_v= __gk_x= __gk_ok=2 __gk_run=1 __gk_id=0 __gk_st=0 __gk_last= __gk_bang= __gk_go=
__gk_more= __gk_line= __gk_w= __gk_due=0 __gk_free=0 __gk_on=0 __gk_c=() __gk_h=() __gk_z=0
__gk_old=$(( BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501 ))
for __gk_i in {1..31} 127; do
  builtin printf -v __gk_t '%02X' "$__gk_i"
  __gk_h+=("%$__gk_t")
  builtin printf -v __gk_t "\\x$__gk_t"
  __gk_c+=("$__gk_t")
done
__gk_esc() {
  local i
  __gk_t=${1//%/%25}
  if [[ $__gk_t == *[[:cntrl:]]* ]]; then
    for i in "${!__gk_c[@]}"; do __gk_t=${__gk_t//"${__gk_c[i]}"/"${__gk_h[i]}"}; done
  fi
}
__gk_frame() {
  local s=$3 __gk_t
  while (( ${#s} > 200 )); do
    __gk_esc "${s:0:200}"
    builtin printf '\e]7717;%s;p;%d;%s\e\\' "$__gk_k" "$2" "$__gk_t" >/dev/tty
    s=${s:200}
  done
  __gk_esc "$s"
  builtin printf -v __gk_f '\e]7717;%s;%s;%d;%s\e\\' "$__gk_k" "$1" "$2" "$__gk_t"
}
__gk_say() { local - __gk_f; set +eux; __gk_frame "$@"; builtin printf %s "$__gk_f" >/dev/tty; }
__gk_ask() {
  local - p m __gk_f
  set +eux
  __gk_v=n __gk_x=
  (( ++__gk_id ))
  m=$'\e]7717;'"$__gk_id;$__gk_k;"
  __gk_frame "$1" "$__gk_id" "$2"
  while IFS= builtin read -rs -d $'\a' -p "$__gk_f" p 2>/dev/tty; do
    __gk_f=
    if [[ $p == *"$m"* ]]; then
      __gk_x+=${p%%"$m"*} p=${p#*"$m"}
      __gk_v=${p%%;*} __gk_k=${p#*;}
      export -n __gk_k
      return
    fi
    __gk_x+=$p$'\a'
  done </dev/tty
  __gk_v=n
}
__gk_ack() { __gk_say "$1" "$__gk_id" "$__gk_x"; __gk_x=; }
__gk_enter() {
  local h=${histchars:-!^}
  __gk_go= __gk_w=$1
  builtin bind '"\e[7717~": ""'
  if (( __gk_ok == 1 && __gk_run )); then __gk_free=1; builtin bind "\"\e[7717~\": $1"; return; fi
  if [[ ( $- == *H* || $__gk_bang ) && ( $READLINE_LINE == *"${h:0:1}"* || $READLINE_LINE == *"${h:1:1}"* ) ]]
  then
    if [[ $__gk_more || $READLINE_LINE == *$'\n'* ]]; then __gk_go=exact; fi
    if [[ $__gk_bang ]]; then set -H; fi
    __gk_line=$READLINE_LINE
    builtin bind '"\e[7717h~": history-expand-line'
    builtin bind -x '"\e[7717;3~": __gk_again'
    return
  fi
  builtin bind '"\e[7717h~": ""'
  builtin bind '"\e[7717;3~": ""'
  __gk_entered
}
__gk_again() {
  if [[ $READLINE_LINE != "$__gk_line" ]]; then
    __gk_go=exact
    if shopt -q histverify; then return; fi
  elif [[ $__gk_go != exact && `builtin history -p -- "$__gk_line" 2>/dev/null` != "$__gk_line" ]]
  then
    return
  fi
  __gk_line=
  __gk_entered
  if [[ $__gk_go == exact && $- == *H* ]]; then __gk_bang=1; set +H; fi
}
__gk_entered() {
  local - __gk_int=0 o
  set +eux
  builtin bind '"\e[7717~": ""'
  o=`trap -p INT`
  trap '__gk_int=1' INT
  __gk_ask l "$READLINE_LINE"
  trap - INT
  [[ -z $o ]] || eval "$o"
  if [[ $__gk_v != y || $__gk_int == 1 ]]; then
    if [[ $__gk_v == c || $__gk_int == 1 ]]; then READLINE_LINE= READLINE_POINT=0; fi
    __gk_ack x
    return
  fi
  o=${READLINE_LINE//[!$'\n']}
  __gk_ok=1 __gk_run=0 __gk_on=0 __gk_more=1 __gk_free=0 __gk_due=$(( ${#o} + 1 ))
  builtin bind "\"\e[7717~\": $__gk_w"
  __gk_ack a
}
__gk_hist() { if [[ $__gk_bang ]]; then __gk_bang=; set -H; fi; }
__gk_debug() {
  case $1 in
    __gk_pre|__gk_beat|__gk_again|'__gk_enter accept-line'|'__gk_enter operate-and-get-next') return 0 ;;
  esac
  if [[ $__gk_ok == 2 ]]; then return 0; fi
  if [[ $__gk_ok != 0 ]]; then
    if [[ $__gk_run == 0 && ( $BASH_SUBSHELL == 0 || $__gk_on == 1 ) ]]; then __gk_run=1 __gk_more=; __gk_hist; __gk_say r 0 ''; fi
    return 0
  fi
  if [[ ${#FUNCNAME[@]} != 1 || ${READLINE_LINE+x}${COMP_LINE+x} ]]; then return 0; fi
  if [[ $BASH_SUBSHELL != 0 ]]; then __gk_id=$(( 100000000 + BASHPID )); fi
  __gk_ask t "$1"
  __gk_ack a
  if [[ $__gk_v != y && $BASH_SUBSHELL != 0 ]]; then builtin exit 1; fi
  [[ $__gk_v == y ]]
}
__gk_keys() {
  local m k l w b again=1 n=0 q
  builtin bind '"\e[7717~": ""'
  while (( again && n++ < 8 )); do
    again=0
    q=$(for m in emacs vi-insert vi-command; do
      for k in accept-line operate-and-get-next edit-and-execute-command \
        vi-edit-and-execute-command insert-comment shell-expand-line; do builtin printf '%s %s ' $m $k; builtin bind -m $m -q $k; done
    done 2>/dev/null)
    while IFS= builtin read -r l; do
      m=${l%% *} k=${l#* } k=${k%% *}
      while [[ $l == *\"*\"* ]]; do
        again=1 w= b=x
        l=${l#*\"}
        while [[ $l == *\"* ]] && (( ${#b} % 2 )); do
          w+=${l%%\"*}\" l=${l#*\"} b=${w%\"} b=${b##*[!\\]}
        done
        case $k in
          accept-line) builtin bind -m $m "\"$w: \"\e[7717;1~\e[7717h~\e[7717;3~\e[7717~\"" ;;
          operate-and-get-next) builtin bind -m $m "\"$w: \"\e[7717;2~\e[7717h~\e[7717;3~\e[7717~\"" ;;
          *) builtin bind -m $m "\"$w: \"\"" ;;
        esac
      done
    done <<<"$q"
  done
  for m in emacs vi-insert vi-command; do
    builtin bind -m $m '"\C-m": "\e[7717;1~\e[7717h~\e[7717;3~\e[7717~"'
    builtin bind -m $m '"\C-j": "\e[7717;1~\e[7717h~\e[7717;3~\e[7717~"'
    builtin bind -m $m '"\e[7717~": ""'
    builtin bind -m $m '"\e[7717h~": ""'
    builtin bind -m $m '"\e[7717;3~": ""'
    builtin bind -m $m -x '"\e[7717;1~": __gk_enter accept-line'
    builtin bind -m $m -x '"\e[7717;2~": __gk_enter operate-and-get-next'
  done
}
__gk_pre() {
  __gk_st=$? __gk_last=$_
  __gk_ok=2 __gk_run=1 __gk_more=
  __gk_hist
  case :$SHELLOPTS: in *:emacs:*|*:vi:*) ;; *) set -o emacs ;; esac
  return $(( __gk_old * __gk_st ))
}
__gk_order() {
  local e=() x
  if (( __gk_old )); then
    x=${PROMPT_COMMAND//__gk_pre/:} x=${x//__gk_beat/:}
    PROMPT_COMMAND="__gk_pre;${x:-:};__gk_beat"
    return
  fi
  if [[ ${PROMPT_COMMAND[0]} == __gk_pre && ${PROMPT_COMMAND[-1]} == __gk_beat ]]; then return; fi
  for x in "${PROMPT_COMMAND[@]}"; do
    x=${x//__gk_pre/:} x=${x//__gk_beat/:}
    case $x in ''|:) ;; *) e+=("$x") ;; esac
  done
  unset PROMPT_COMMAND
  PROMPT_COMMAND=(__gk_pre "${e[@]}" __gk_beat)
}
__gk_mark() {
  local t=${!1//"$2"} b
  b=${t##*[!\\]}
  if (( ${#b} % 2 )); then t+=\\; fi
  if [[ $t == *[\\\$] ]]; then t+='\[\]'; fi
  builtin printf -v "$1" %s "$t$2"
}
__gk_beat() {
  set -T
  local - s=$__gk_st
  set +eux
  __gk_due=0 __gk_free=0
  unset READLINE_LINE READLINE_POINT COMP_LINE
  __gk_keys
  __gk_order
  builtin bind 'set enable-bracketed-paste on'
  shopt -s extdebug promptvars
  if [[ ${PS0@a} != *r* ]]; then
    __gk_mark PS0 '${__gk_z#$(((__gk_on=1,__gk_ok=__gk_ok==1&&__gk_free==0&&--__gk_due>=0)*0))}'
  fi
  if [[ ${PS1@a} != *r* ]]; then __gk_mark PS1 '${__gk_z#$(((__gk_ok=__gk_ok==1&&__gk_free==0&&__gk_due>0)*0))}'; fi
  if [[ ${PS2@a} != *r* ]]; then __gk_mark PS2 '${__gk_z#$(((__gk_ok=__gk_ok==1&&__gk_due>1)*0))}'; fi
  trap '(( __gk_ok && __gk_run || 0${FUNCNAME+1} )) || __gk_debug "$BASH_COMMAND" "$__gk_last"' DEBUG
  __gk_say b "$s" ''
  return $(( __gk_old * s ))
}
readonly -f __gk_esc __gk_frame __gk_say __gk_ask __gk_ack __gk_enter __gk_again __gk_entered __gk_hist __gk_debug \
  __gk_keys __gk_pre __gk_order __gk_mark __gk_beat
__gk_ask h "bash $BASH_VERSION"
__gk_ack a
unset __gk_i __gk_t
if [[ -r /etc/profile ]]; then . /etc/profile; fi
for __gk_i in ~/.bash_profile ~/.bash_login ~/.profile; do
  if [[ -r $__gk_i ]]; then . "$__gk_i"; break; fi
done
unset __gk_i
if [[ -r ~/.bash_logout && -z $(trap -p EXIT) ]]; then trap '. ~/.bash_logout' EXIT; fi
__gk_order
__gk_ok=2 __gk_run=1
"""
