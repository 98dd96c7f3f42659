# Tokens per forward needed to match autoregressive decoding, against batch.
# Draw it again: gnuplot @FILE@.gp      Data: @FILE@.tsv, caption: @FILE@.txt
@COMMON@
data = '@FILE@.tsv'
colours = "@COLOURS@"
points = "@POINTS@"
sizes = "@SIZES@"
rings = "@RINGS@" # series with each of these
ybars = "@YBARS@"
dashes = "@COLOURS_DASH@" # one colour for each schedule

set logscale xy 2
needed(s) = column('needed_series') == s ? column('batch_seqs') : NaN
schedule(s) = column('series') == s ? column('batch_seqs') : NaN
y = 'tokens_per_forward_needed_per_seq'
lo = 'tokens_per_forward_needed_per_seq_lo'
hi = 'tokens_per_forward_needed_per_seq_hi'
committed = 'tokens_per_forward_per_seq'
half = @HALF@ # length of half a dash, as a factor

@PANEL@
set format ''
set xtics (@XTICS@)
set ytics (@YTICS@)
@KEY@
@LABELS@
do for [page in "pdf svg png"] {
    eval value("terminal_".page)
    set output '@FILE@.'.page
    plot for [s=1:words(dashes)] data using (schedule(s)):(column(committed)) with lines lc rgb faint(dashes, s) lw 0.6 dt 3, \
        for [s=1:words(dashes)] data using (schedule(s) / half):(column(committed)):(schedule(s) * (half - 1 / half)):(0) with vectors nohead lc rgb word(dashes, s) lw 1.6, \
        for [s=1:words(colours)] data using (needed(s)):(column(y)) smooth unique with lines lc rgb word(colours, s) lw 0.6, \
@?YBARS@        for [i=1:words(ybars)] data using (needed(nth(ybars, i))):(column(y)):(column(lo)):(column(hi)) with yerrorbars pt 0 lc rgb faint(colours, nth(ybars, i)) lw 0.5, \
        for [s=1:words(colours)] data using (needed(s)):(column(y)) with points pt 7 ps 0.9 * nth(sizes, s) lc rgb 'white' lw 0.1, \
@?RINGS@        for [i=1:words(rings)] data using (column('cache_resident') == 1 ? needed(nth(rings, i)) : NaN):(column(y)) with points pt 6 ps 1.7 * nth(sizes, nth(rings, i)) lc rgb '#555555' lw 0.6, \
        for [s=1:words(colours)] data using (needed(s)):(column(y)) with points pt nth(points, s) ps nth(sizes, s) lc rgb word(colours, s) lw 0.8
    unset output
}
