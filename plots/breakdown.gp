# Where the time of a forward goes.  Draw it again: gnuplot @FILE@.gp
# Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
classes = "@CLASSES@"

class(c) = column('class') == c ? 100 * column('from') : NaN

@PANEL@
set xrange [0:100]
set yrange [@BARS@ + 0.5:0.5]
set border 1 lw 0.6
unset grid
unset ytics
set xtics 20 offset 0,0.3
@KEY@
@LABELS@
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [c=1:words(classes)] data using (class(c)):(column('bar')):(100 * column('from')):(100 * column('to')):(column('bar') - 0.38):(column('bar') + 0.38) with boxxyerror fs solid border lc rgb 'white' fc rgb word(classes, c) lw 0.3
    unset output
}
