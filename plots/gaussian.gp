# Noise on embeddings beside masks.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours = "@COLOURS@"
dashes = "@DASHES@"
x(panel, s) = column('panel') == panel && column('series') == s ? column('x') : NaN

do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    set multiplot
    set format ''

    # Left: what is not known of a token, over the time of the corruption.
@PANEL_1@
@KEY@
    set xtics (@XTICS_1@)
    set ytics (@YTICS_1@)
    plot for [s=1:words(colours)] data using (x(1, s)):(column('value')) with lines lc rgb word(colours, s) lw 1.2 dt nth(dashes, s)
    unset label
    unset arrow

    # Right: what a bound of so many steps pays over the entropy.
@PANEL_2@
    set logscale xy 10
    set xtics (@XTICS_2@)
    set ytics (@YTICS_2@)
    plot for [s=1:words(colours)] data using (x(2, s)):(column('value')) with lines lc rgb word(colours, s) lw 1.2 dt nth(dashes, s), \
        for [s=1:words(colours)] data using (x(2, s)):(column('best')) with lines lc rgb word(colours, s) lw 0.5 dt nth(dashes, s)
    unset logscale
    unset label
    unset arrow
    unset multiplot
    unset output
}
