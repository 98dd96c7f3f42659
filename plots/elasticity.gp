# Elasticities of time in bytes and in arithmetic.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours_1 = "@COLOURS_1@"
sizes_1 = "@SIZES_1@"
ybars_1 = "@YBARS_1@" # series with bars
colours_2 = "@COLOURS_2@"
sizes_2 = "@SIZES_2@"
ybars_2 = "@YBARS_2@"
verdicts = "@VERDICTS@"
shapes = "@SHAPES@"

set logscale x 2
x(panel, s) = column('panel') == panel && column('series') == s ? column('drawn_at') : NaN
y = 'elasticity'
lo = 'elasticity_lo'
hi = 'elasticity_hi'
# The verdict's shape; hollow where the weights stay in a cache.
shape(resident) = (sum [i=1:words(verdicts)] (word(verdicts, i) eq strcol('bound') ? nth(shapes, i) : 0)) - resident

do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    set multiplot
    set format ''
    set xtics (@XTICS@)
    set ytics (@YTICS@)

    # Above: in bytes.
@PANEL_1@
@KEY@
@LINES_1@
@LABELS_1@
    plot NaN, for [s=1:words(colours_1)] data using (x(1, s)):(column(y)) with lines lc rgb word(colours_1, s) lw 0.6, \
@?YBARS_1@        for [i=1:words(ybars_1)] data using (x(1, nth(ybars_1, i))):(column(y)):(column(lo)):(column(hi)) with yerrorbars pt 0 lc rgb faint(colours_1, nth(ybars_1, i)) lw 0.5, \
        for [s=1:words(colours_1)] data using (x(1, s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes_1, s) lc rgb 'white' lw 0.1, \
        for [s=1:words(colours_1)] data using (x(1, s)):(column(y)):(shape(column('cache_resident'))) with points pt variable ps nth(sizes_1, s) lc rgb word(colours_1, s) lw 0.8
    unset label
    unset arrow
    unset object

    # Below: in arithmetic.
@PANEL_2@
@LINES_2@
@LABELS_2@
    plot NaN, for [s=1:words(colours_2)] data using (x(2, s)):(column(y)) with lines lc rgb word(colours_2, s) lw 0.6, \
@?YBARS_2@        for [i=1:words(ybars_2)] data using (x(2, nth(ybars_2, i))):(column(y)):(column(lo)):(column(hi)) with yerrorbars pt 0 lc rgb faint(colours_2, nth(ybars_2, i)) lw 0.5, \
        for [s=1:words(colours_2)] data using (x(2, s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes_2, s) lc rgb 'white' lw 0.1, \
        for [s=1:words(colours_2)] data using (x(2, s)):(column(y)):(shape(column('cache_resident'))) with points pt variable ps nth(sizes_2, s) lc rgb word(colours_2, s) lw 0.8
    unset label
    unset arrow
    unset multiplot
    unset output
}
