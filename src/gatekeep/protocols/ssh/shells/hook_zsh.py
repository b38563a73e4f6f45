"""The hook for zsh, as the text that the shell reads after its own start files. No logic here.

How it works, line by line, is said in docs/shell-hook.md; what the gateway makes of it in `hook`.

Each widget of ours is a function of its own, told its name: called by a widget of the person's,
`$WIDGET` is theirs. Completion expands the word at the cursor first, which runs substitutions and
glob qualifiers before anything is entered: where there may be any, it does nothing. A search accepts
lines by itself where it finds `accept-line` on a key: `__gk_left` ends it, and the key is read again.
"""

from __future__ import annotations

from typing import Final

ZSH_HOOK: Final = r"""
typeset -g __gk_al=$options[aliases]
setopt noaliases
exec <&1 2>&1 9<&-
typeset -g __gk_k= __gk_v= __gk_x= __gk_f= __gk_ok=2 __gk_run=1 __gk_id=0
typeset -g __gk_st=0 __gk_bang= __gk_go= __gk_w= __gk_banghist= __gk_verify= __gk_line=
typeset -ga __gk_c __gk_h
() {
  emulate -L zsh
  local i h
  for i in {1..31} 127; do
    builtin printf -v h '%02X' $i
    __gk_h+=("%$h")
    builtin printf -v h "\\x$h"
    __gk_c+=("$h")
  done
}
__gk_esc() {
  local i
  __gk_t=${1//\%/%25}
  if [[ $__gk_t == *[[:cntrl:]]* ]]; then
    for i in {1..$#__gk_c}; do __gk_t=${__gk_t//"${__gk_c[i]}"/"${__gk_h[i]}"}; done
  fi
}
__gk_frame() {
  emulate -L zsh
  local s=$3 __gk_t
  while (( ${#s} > 200 )); do
    __gk_esc "${s[1,200]}"
    builtin print -rn -- $'\e]7717;'"$__gk_k;p;$2;$__gk_t"$'\e\\' >/dev/tty
    s=${s[201,-1]}
  done
  __gk_esc "$s"
  __gk_f=$'\e]7717;'"$__gk_k;$1;$2;$__gk_t"$'\e\\'
}
__gk_say() {
  emulate -L zsh
  __gk_frame "$@"
  builtin print -rn -- "$__gk_f" >/dev/tty
}
__gk_ask() {
  emulate -L zsh
  local p m f t
  __gk_v=n __gk_x=
  (( ++__gk_id ))
  m=$'\e]7717;'"$__gk_id;$__gk_k;"
  __gk_frame "$1" "$__gk_id" "$2"
  f=$__gk_f
  while IFS= builtin read -rs -d $'\a' "p?$f"; do
    f=
    if [[ $p == *"$m"* ]]; then
      __gk_x+=${p%%"$m"*} p=${p#*"$m"}
      __gk_v=${p%%;*} __gk_k=${p#*;}
      typeset -g +x __gk_k
      return
    fi
    __gk_x+=$p$'\a'
  done </dev/tty 2>/dev/tty
  __gk_v=n
}
__gk_ack() { __gk_say "$1" "$__gk_id" "$__gk_x"; __gk_x=; }
__gk_accept() {
  __gk_go= __gk_w=$1 __gk_banghist=$options[banghist] __gk_verify=$options[histverify]
  __gk_entered
  if [[ -n $__gk_go ]]; then
    if [[ $__gk_go == exact && -z $__gk_bang ]]; then
      __gk_bang=$HISTCHARS HISTCHARS=$'\0\0'"${HISTCHARS[3]}"
    fi
    zle .$__gk_w
  fi
}
__gk_entered() {
  emulate -L zsh
  local __gk_int=0 before=$BUFFER go=plain
  if [[ $CONTEXT != (start|cont) ]]; then __gk_go=plain; return; fi
  POSTDISPLAY=
  if [[ $CONTEXT == cont || $BUFFER == *$'\n'* ]]; then go=exact; fi
  if [[ $__gk_banghist == on ]]; then
    __gk_hist
    if [[ $BUFFER == *"${HISTCHARS[1]}"* || $BUFFER == *"${HISTCHARS[2]}"* ]]; then
      setopt banghist
      zle .expand-history
    fi
    if [[ $BUFFER != $before ]]; then
      go=exact
      if [[ $__gk_verify == on || $before == *:p* ]]; then return; fi
    fi
  fi
  trap '__gk_int=1' INT
  __gk_ask l "$PREBUFFER$BUFFER"
  if [[ $__gk_v == y && $__gk_int == 0 ]]; then
    __gk_ok=1 __gk_run=0 __gk_go=$go __gk_line=$PREBUFFER$BUFFER
    trap - INT
    __gk_ack a
    return
  fi
  if [[ $__gk_v == c || $__gk_int == 1 ]]; then BUFFER=; fi
  zle -I
  trap - INT
  __gk_ack x
}
__gk_hist() { if [[ -n $__gk_bang ]]; then HISTCHARS=$__gk_bang __gk_bang=; fi; }
__gk_none() { return 1; }
__gk_comp() {
  local w=$1
  local -a before bare
  shift
  before=("${(@z)${:-$PREBUFFER${LBUFFER}x}}") bare=("${(@Z+C+)${:-$PREBUFFER${LBUFFER}x}}")
  if __gk_inert "${before[@]}" && __gk_inert "${bare[@]}"; then zle __gk_o_$w "$@"; fi
}
__gk_inert() {
  emulate -L zsh
  local word=${@[-1]}$RBUFFER
  [[ $CONTEXT != (start|cont) || ( $word != *'('*')'* && $word != *\`*\`* ) ]]
}
__gk_widgets() {
  emulate -L zsh
  local w
  for w in accept-line accept-line-and-down-history accept-and-hold accept-and-infer-next-history; do
    if [[ $widgets[$w] != user:__gk_is_$w ]]; then
      functions[__gk_is_$w]="__gk_accept $w"
      zle -N $w __gk_is_$w
    fi
  done
  for w in ${(k)widgets[(R)completion:*]} complete-word expand-or-complete expand-or-complete-prefix \
    menu-complete menu-expand-or-complete reverse-menu-complete accept-and-menu-complete list-choices \
    list-expand expand-word delete-char-or-list; do
    if [[ $w != (.|__gk_o_)* && $widgets[$w] == (builtin|completion:*) ]]; then
      zle -A $w __gk_o_$w
      functions[__gk_is_$w]="__gk_comp ${(q)w} \"\$@\""
      zle -N $w __gk_is_$w
    fi
  done
  for w in pound-insert vi-pound-insert run-help which-command; do zle -N $w __gk_none; done
}
__gk_line_init() { if [[ $CONTEXT == (start|cont) ]]; then __gk_ok=0; fi; }
__gk_line_finish() {
  if [[ $CONTEXT == (start|cont) && "$PREBUFFER$BUFFER" != "$__gk_line" ]]; then __gk_ok=0; fi
}
__gk_preexec() {
  __gk_hist
  if (( __gk_ok == 1 && ! __gk_run )); then __gk_run=1; __gk_say r 0 ''; fi
}
__gk_precmd() {
  local s=$?
  __gk_hist
  if [[ ! -o zle ]]; then setopt zle; fi
  __gk_heal $s
  return $s
}
__gk_heal() {
  emulate -L zsh
  local s=$1
  __gk_st=$s __gk_ok=2 __gk_run=1
  __gk_widgets
  precmd_functions=(__gk_precmd ${precmd_functions:#__gk_precmd})
  preexec_functions=(__gk_preexec ${preexec_functions:#__gk_preexec})
  add-zle-hook-widget -d line-init __gk_line_init
  add-zle-hook-widget line-init __gk_line_init
  add-zle-hook-widget -d line-finish __gk_line_finish
  add-zle-hook-widget line-finish __gk_line_finish
  unsetopt localtraps
  trap '__gk_debug || setopt errexit' DEBUG
  __gk_say b $s ''
}
__gk_debug() {
  if (( __gk_ok )) || [[ -n ${WIDGET-} ]] || (( $#funcstack > 1 )); then return 0; fi
  __gk_ask t "$ZSH_DEBUG_CMD"
  __gk_ack a
  [[ $__gk_v == y ]]
}
__gk_search() {
  emulate -L zsh
  local k
  zle -N __gk_left __gk_none
  for k in '^M' '^J' '^O'; do
    if [[ $(bindkey -M isearch $k) == *' '(undefined-key|accept-*line*) ]]; then
      bindkey -M isearch $k __gk_left
    fi
  done
}
autoload -Uz add-zle-hook-widget
setopt zle prompt_sp prompt_cr debug_before_cmd
__gk_search
__gk_ask h "zsh $ZSH_VERSION"
__gk_ack a
precmd_functions=(__gk_precmd ${precmd_functions:#__gk_precmd})
if [[ $__gk_al == on ]]; then setopt aliases; fi
unset __gk_al
"""
