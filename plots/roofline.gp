# Roofline, algorithmic work beside goodput.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours_1 = "@COLOURS_1@"
points_1 = "@POINTS_1@"
sizes_1 = "@SIZES_1@"
rings_1 = "@RINGS_1@" # series with each of these
xbars_1 = "@XBARS_1@"
ybars_1 = "@YBARS_1@"
colours_2 = "@COLOURS_2@"
points_2 = "@POINTS_2@"
sizes_2 = "@SIZES_2@"
rings_2 = "@RINGS_2@" # series with each of these
xbars_2 = "@XBARS_2@"
ybars_2 = "@YBARS_2@"

set logscale xy 10
x(panel, s) = column('panel') == panel && column('series') == s ? column('intensity_flop_per_byte') : NaN
y = 'flop_per_s'

do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    set multiplot
    set format ''
    set xtics (@XTICS@)
    set ytics (@YTICS@)

    # Left: every FLOP the decoder asks for.
@PANEL_1@
@KEY@
@ROOFS_1@
@LABELS_1@
    plot NaN, for [s=1:words(colours_1)] data using (x(1, s)):(column(y)) with lines lc rgb word(colours_1, s) lw 0.6, \
@?XBARS_1@        for [i=1:words(xbars_1)] data using (x(1, nth(xbars_1, i))):(column(y)):(column('intensity_lo')):(column('intensity_hi')) with xerrorbars pt 0 lc rgb faint(colours_1, nth(xbars_1, i)) lw 0.5, \
@?YBARS_1@        for [i=1:words(ybars_1)] data using (x(1, nth(ybars_1, i))):(column(y)):(column('flop_per_s_lo')):(column('flop_per_s_hi')) with yerrorbars pt 0 lc rgb faint(colours_1, nth(ybars_1, i)) lw 0.5, \
        for [s=1:words(colours_1)] data using (x(1, s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes_1, s) lc rgb 'white' lw 0.1, \
@?RINGS_1@        for [i=1:words(rings_1)] data using (column('cache_resident') == 1 ? x(1, nth(rings_1, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes_1, nth(rings_1, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours_1)] data using (x(1, s)):(column(y)) with points pt nth(points_1, s) ps nth(sizes_1, s) lc rgb word(colours_1, s) lw 0.8
    unset label
    unset arrow

    # Right: only what plain autoregressive decoding would have spent on the tokens kept.
@PANEL_2@
@ROOFS_2@
@LABELS_2@
    plot NaN, for [s=1:words(colours_2)] data using (x(2, s)):(column(y)) with lines lc rgb word(colours_2, s) lw 0.6, \
@?XBARS_2@        for [i=1:words(xbars_2)] data using (x(2, nth(xbars_2, i))):(column(y)):(column('intensity_lo')):(column('intensity_hi')) with xerrorbars pt 0 lc rgb faint(colours_2, nth(xbars_2, i)) lw 0.5, \
@?YBARS_2@        for [i=1:words(ybars_2)] data using (x(2, nth(ybars_2, i))):(column(y)):(column('flop_per_s_lo')):(column('flop_per_s_hi')) with yerrorbars pt 0 lc rgb faint(colours_2, nth(ybars_2, i)) lw 0.5, \
        for [s=1:words(colours_2)] data using (x(2, s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes_2, s) lc rgb 'white' lw 0.1, \
@?RINGS_2@        for [i=1:words(rings_2)] data using (column('cache_resident') == 1 ? x(2, nth(rings_2, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes_2, nth(rings_2, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours_2)] data using (x(2, s)):(column(y)) with points pt nth(points_2, s) ps nth(sizes_2, s) lc rgb word(colours_2, s) lw 0.8
    unset label
    unset arrow
    unset multiplot
    unset output
}
