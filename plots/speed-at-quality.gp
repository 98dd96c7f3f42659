# Tokens per second at a divergence from the truth.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours = "@COLOURS@"
points = "@POINTS@"
sizes = "@SIZES@"
xbars = "@XBARS@" # series with each of these
ybars = "@YBARS@"

set logscale xy 10
x(s) = column('series') == s ? column('drawn') : NaN
y = 'tokens_per_s'

@PANEL@
set format ''
set xtics (@XTICS@)
set ytics (@YTICS@)
@KEY@
@LABELS@
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [s=1:words(colours)] data using (x(s)):(column(y)) with lines lc rgb faint(colours, s) lw 0.6, \
@?XBARS@        for [i=1:words(xbars)] data using (x(nth(xbars, i))):(column(y)):(column('lo_drawn')):(column('reverse_hi')) with xerrorbars pt 0 lc rgb faint(colours, nth(xbars, i)) lw 0.5, \
@?YBARS@        for [i=1:words(ybars)] data using (x(nth(ybars, i))):(column(y)):(column('tokens_per_s_lo')):(column('tokens_per_s_hi')) with yerrorbars pt 0 lc rgb faint(colours, nth(ybars, i)) lw 0.5, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes, s) lc rgb 'white' lw 0.1, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt nth(points, s) ps nth(sizes, s) lc rgb word(colours, s) lw 0.8
    unset output
}
