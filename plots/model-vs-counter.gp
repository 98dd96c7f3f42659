# Ledger against counters.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours = "@COLOURS@"
points = "@POINTS@"
sizes = "@SIZES@"
xbars = "@XBARS@"
rings = "@RINGS@" # series with each of these
ybars = "@YBARS@"

set logscale xy 10
x(s) = column('series') == s ? column('ledger_bytes') : NaN
y = 'counted_bytes'
lo = 'counted_bytes_lo'
hi = 'counted_bytes_hi'

@PANEL@
set format ''
set xtics (@XTICS@)
set ytics (@YTICS@)
@KEY@
@DIAGONAL@
@LABELS@
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [s=1:words(colours)] data using (x(s)):(column(y)) with lines lc rgb word(colours, s) lw 0.6, \
@?XBARS@        for [i=1:words(xbars)] data using (x(nth(xbars, i))):(column(y)):(column('ledger_bytes_lo')):(column('ledger_bytes_hi')) with xerrorbars pt 0 lc rgb faint(colours, nth(xbars, i)) lw 0.5, \
@?YBARS@        for [i=1:words(ybars)] data using (x(nth(ybars, i))):(column(y)):(column(lo)):(column(hi)) with yerrorbars pt 0 lc rgb faint(colours, nth(ybars, i)) lw 0.5, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes, s) lc rgb 'white' lw 0.1, \
@?RINGS@        for [i=1:words(rings)] data using (column('cache_resident') == 1 ? x(nth(rings, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes, nth(rings, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt nth(points, s) ps nth(sizes, s) lc rgb word(colours, s) lw 0.8
    unset output
}
