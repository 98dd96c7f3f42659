# Side of the ridge by batch and block length.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
bands = "@BANDS@" # from far on the memory side to far on the compute side
colours = "@COLOURS@"
points = "@POINTS@"
sizes = "@SIZES@"
rings = "@RINGS@" # series with each of these
ridge = 3 # the curve at 1 times the ridge
bottom = @BOTTOM@

set logscale xy 2
is(k) = strcol('kind') eq k
curve(c) = is('curve') && column('curve') == c ? column('batch_seqs') : NaN
run(s) = is('run') && column('series') == s ? column('batch_seqs') : NaN
y = 'rows_per_seq'

@PANEL@
set format ''
set xtics (@XTICS@)
set ytics (@YTICS@)
unset grid
set tics front
@KEY@
@LABELS@
set object rectangle from graph 0,0 to graph 1,1 behind fs solid noborder fc rgb word(bands, words(bands))
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [i=1:words(bands)-1] data using (curve(words(bands) - i)):(column(y)) with filledcurves y1=bottom fs solid noborder fc rgb word(bands, words(bands) - i), \
        data using (curve(ridge)):(column('inside') == 1 ? column(y) : NaN) with lines lc rgb 'black' lw 1.2, \
        for [s=1:words(colours)] data using (run(s)):(column(y)) with points pt 7 ps 1.5 * nth(sizes, s) lc rgb 'white' lw 0.1, \
@?RINGS@        for [i=1:words(rings)] data using (column('cache_resident') == 1 ? run(nth(rings, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes, nth(rings, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours)] data using (run(s)):(column(y)) with points pt nth(points, s) ps nth(sizes, s) lc rgb word(colours, s) lw 0.8
    unset output
}
