# One page size for all three formats: PDF for papers, SVG for the web, PNG at 300 dpi.
width = @WIDTH@ # inches
height = @HEIGHT@
# The three terminals have units of their own; with these scales font sizes and line widths are
# points and point sizes agree.
terminal_pdf = sprintf("set terminal pdfcairo enhanced color font 'Liberation Sans,8' fontscale 0.75 linewidth 2 rounded size %gin,%gin", width, height)
terminal_svg = sprintf("set terminal svg enhanced font 'Liberation Sans,8' rounded size %d,%d background 'white'", width * 72, height * 72)
terminal_png = sprintf("set terminal pngcairo enhanced color font 'Liberation Sans,8' fontscale %g linewidth %g pointscale %g rounded size %d,%d", 300./96, 300./72, 300./72, width * 300, height * 300)

set encoding utf8
set datafile separator tab
set datafile columnheaders
set datafile missing 'NA'
set border 3 lw 0.6
set tics scale 0.6,0.3 nomirror font ',7'
set grid xtics ytics lc rgb '#e4e4e4' lw 0.4 dt 1, lc rgb '#e4e4e4' lw 0.4 dt 1
set bars 0.3
unset key

# Lists of words: the i-th as a number, and a colour made lighter.
nth(list, i) = word(list, i) + 0
faint(list, i) = '#90'.word(list, i)[2:7]
