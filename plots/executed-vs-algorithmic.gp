# Executed work against algorithmic work.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours = "@COLOURS@"
points = "@POINTS@"
sizes = "@SIZES@"
rings = "@RINGS@" # series with each of these

set logscale x 2
set logscale y 10
x(s) = column('series') == s ? column('batch_seqs') : NaN
y = 'executed_per_algorithmic'

@PANEL@
set format ''
set xtics (@XTICS@)
set ytics (@YTICS@)
@KEY@
@LABELS@
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [s=1:words(colours)] data using (x(s)):(column(y)) with lines lc rgb word(colours, s) lw 0.6, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes, s) lc rgb 'white' lw 0.1, \
@?RINGS@        for [i=1:words(rings)] data using (column('cache_resident') == 1 ? x(nth(rings, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes, nth(rings, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours)] data using (x(s)):(column(y)) with points pt nth(points, s) ps nth(sizes, s) lc rgb word(colours, s) lw 0.8
    unset output
}
