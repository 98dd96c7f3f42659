# Roofline at three levels of memory.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours = "@COLOURS@"
points = "@POINTS@"
sizes = "@SIZES@"
rings = "@RINGS@" # series with each of these
ybars = "@YBARS@"

set logscale xy 10
at(s, level) = column('series') == s ? column(level) : NaN
x(s) = column('series') == s ? column('intensity_dram') : NaN
y = 'flop_per_s'
lo = 'flop_per_s_lo'
hi = 'flop_per_s_hi'

@PANEL@
set format ''
set xtics (@XTICS@)
set ytics (@YTICS@)
@KEY@
@ROOFS@
@LABELS@
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [s=1:words(colours)] data using (at(s, 'intensity_dram')):(column(y)):(column('intensity_l1') - column('intensity_dram')):(0) with vectors nohead lc rgb faint(colours, s) lw 0.5, \
@?YBARS@        for [i=1:words(ybars)] data using (x(nth(ybars, i))):(column(y)):(column(lo)):(column(hi)) with yerrorbars pt 0 lc rgb faint(colours, nth(ybars, i)) lw 0.5, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes, s) lc rgb 'white' lw 0.1, \
@?RINGS@        for [i=1:words(rings)] data using (column('cache_resident') == 1 ? x(nth(rings, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes, nth(rings, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours)] data using (at(s, 'intensity_l2')):(column(y)) with points pt 4 ps 0.5 lc rgb word(colours, s) lw 0.6, \
        for [s=1:words(colours)] data using (at(s, 'intensity_l1')):(column(y)) with points pt 12 ps 0.5 lc rgb word(colours, s) lw 0.6, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt nth(points, s) ps nth(sizes, s) lc rgb word(colours, s) lw 0.8
    unset output
}
