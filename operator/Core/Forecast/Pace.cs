namespace Bursar.Core.Forecast;

/// <summary>
/// Seconds per step of the steps that are left: low, likely, high. What is left goes as all the run went since its warm-up,
/// since pauses for checkpoints and slow ranks come back; but not where the run has lastingly changed its speed.
/// </summary>
/// <remarks>
/// <para>The run is cut into up to eight blocks of about equal steps. How far their paces lie apart says how uncertain the mean of
/// what is left is; a block averages what single reports hold of lateness and jitter.</para>
/// <para>A pause that came once is not taken to come again before it has; the high end keeps it. A pace that rose or fell in
/// nearly every block is a trend: nobody knows whether it goes on, so the likely end lies half-way between the pace of now
/// and the trend's, and both are within the interval. A change that all of the last reports agree upon leaves what was
/// before behind.</para>
/// </remarks>
public sealed record Pace(double Low, double Likely, double High, long Steps, bool Settled)
{
    private const long SettledSteps = 100;

    /// <summary>An interval wider than this share of its middle is not acted upon.</summary>
    public const double SettledWidth = 0.25;

    private static readonly TimeSpan SettledTime = TimeSpan.FromMinutes(2);

    private const int MostBlocks = 8;
    private const int LeastForTrend = 6;
    private const int LeastForChange = 8;

    /// <summary>Below this many stretches a pause that comes back cannot be told from a warm-up.</summary>
    private const int TellsWarmUp = 10;

    /// <summary>A stretch this much slower than half of the others is no noise.</summary>
    private const double Slow = 1.5;

    /// <summary>A change of pace below this is noise, or pauses.</summary>
    private const double Differs = 0.15;

    /// <summary>Faster than the run so far by more than pauses that stayed out would explain.</summary>
    private const double Faster = 0.75;

    /// <summary>Null while less than two points tell anything.</summary>
    /// <param name="points">What was reported, oldest first.</param>
    /// <param name="left">The steps still to be made: the fewer, the less luck is levelled out.</param>
    public static Pace? Of(IReadOnlyList<ProgressPoint> points, long left)
    {
        if (points.Count < 2)
            return null;
        var all = new Stretch[points.Count - 1];
        for (var i = 0; i < all.Length; i++)
            all[i] = new(points[i + 1].Step - points[i].Step, (points[i + 1].At - points[i].At).TotalSeconds);
        var whole = Sum(all);

        var run = all.AsSpan(WarmUp(all)..);
        var fresh = Changed(run);
        if (fresh > 0)
            run = run[fresh..];
        var once = OnePause(run);
        var blocks = Blocks(run);
        var (low, mid, high) = fresh == 0 && Trend(blocks, left) is { } trend ? trend : Steady(blocks, once, left);

        var widening = 0.1 / Math.Sqrt(run.Length);
        low = Math.Min(mid, low) * (1 - widening);
        high = Math.Max(mid, high) * (1 + widening);
        // One stretch alone tells nothing certain: it may hold the compilation before the first step.
        if (all.Length == 1)
            low = 0;
        if (all.Length < TellsWarmUp)
            high = Math.Max(high, whole.Pace);
        // A run's first report often comes after some steps: half of a hundred measured are enough where the whole hundred was made.
        var seen =
            whole.Steps >= SettledSteps
            || points[^1].Step >= SettledSteps && whole.Steps >= SettledSteps / 2
            || whole.Seconds >= SettledTime.TotalSeconds;
        return new(low, mid, high, whole.Steps, seen && high - low <= SettledWidth * mid);
    }

    /// <summary>How many stretches at the beginning are far slower than half of all others.</summary>
    private static int WarmUp(Stretch[] all)
    {
        var most = Math.Min(3, all.Length - 3);
        var count = 0;
        while (count < most && all[count].Pace > Slow * Median(all.AsSpan((count + 1)..)))
            count++;
        return count;
    }

    /// <summary>
    /// Where the last reports begin, if all but a few of them agree that the run goes at another pace than before; else 0.
    /// </summary>
    private static int Changed(Span<Stretch> run)
    {
        var recent = Math.Min(ProgressSeries.Recent, run.Length * 2 / 3);
        if (recent < LeastForChange)
            return 0;
        var (before, last) = (Sum(run[..^recent]).Pace, run[^recent..].ToArray());
        Array.Sort(last, (a, b) => a.Pace.CompareTo(b.Pace));
        var slower = last[recent / 4].Pace > before * (1 + Differs);
        // Reports between two pauses look faster than a run is.
        var faster = last[recent * 3 / 4].Pace < before * Faster;
        return slower || faster ? run.Length - recent : 0;
    }

    /// <summary>What one pause took that nothing like came beside: at most one in the run.</summary>
    private static double OnePause(Span<Stretch> run)
    {
        if (run.Length < 3)
            return 0;
        var median = Median(run);
        double first = 0,
            second = 0,
            plain = 0;
        foreach (var one in run)
        {
            var excess = one.Seconds - median * one.Steps;
            if (excess > first)
                (second, first, plain) = (first, excess, median * one.Steps);
            else if (excess > second)
                second = excess;
        }
        return first > 3 * second && first > (Slow - 1) * plain ? first : 0;
    }

    private static (double Low, double Mid, double High) Steady(IReadOnlyList<Stretch> blocks, double once, long left)
    {
        // What lies behind a lasting change of pace is left out.
        var from = 0;
        while (blocks.Count - from > 3)
        {
            var rest = Sum(blocks.Skip(from + 1)).Pace;
            if (Math.Abs(blocks[from].Pace - rest) <= Differs * rest)
                break;
            from++;
        }
        var kept = blocks.Skip(from).ToArray();
        var sum = Sum(kept);
        var mid = Math.Max((sum.Seconds - once) / sum.Steps, 0);
        var doubt = Doubt(kept, kept.Select(block => block.Pace - sum.Pace), left);
        return (mid - doubt, mid, mid + doubt + once / sum.Steps);
    }

    /// <summary>A pace that goes the same way in nearly every pair of blocks.</summary>
    private static (double Low, double Mid, double High)? Trend(IReadOnlyList<Stretch> blocks, long left)
    {
        if (blocks.Count < LeastForTrend)
            return null;
        var ways = 0;
        for (var i = 0; i < blocks.Count; i++)
        for (var j = i + 1; j < blocks.Count; j++)
            ways += Math.Sign(blocks[j].Pace - blocks[i].Pace);
        if (Math.Abs(ways) * 8 < blocks.Count * (blocks.Count - 1) * 3)
            return null;

        // Least squares over the blocks' middles, weighted by their steps.
        var total = Sum(blocks);
        double at = 0,
            middle = 0,
            spread = 0,
            together = 0;
        var middles = new double[blocks.Count];
        for (var i = 0; i < blocks.Count; at += blocks[i++].Steps)
            middle += (middles[i] = at + blocks[i].Steps / 2.0) * blocks[i].Steps / total.Steps;
        for (var i = 0; i < blocks.Count; i++)
        {
            spread += blocks[i].Steps * Math.Pow(middles[i] - middle, 2);
            together += blocks[i].Steps * (middles[i] - middle) * (blocks[i].Pace - total.Pace);
        }
        var slope = together / spread;
        double Line(double step) => total.Pace + slope * (step - middle);
        var now = Line(total.Steps);
        if (now <= 0)
            return null;
        // Far behind what was seen a line means nothing: never faster than half, never slower than double.
        var then = Math.Clamp(Line(total.Steps + left / 2.0), now / 2, now * 2);
        var doubt = Doubt(blocks, blocks.Select((block, i) => block.Pace - Line(middles[i])), left);
        return (Math.Min(now, then) - doubt, (now + then) / 2, Math.Max(now, then) + doubt);
    }

    /// <summary>How far the mean pace of what is left may be off: the blocks' own spread, over those seen and those to come.</summary>
    private static double Doubt(IReadOnlyCollection<Stretch> blocks, IEnumerable<double> residuals, long left)
    {
        if (blocks.Count < 2)
            return 0;
        var variance = residuals.Sum(residual => residual * residual) / (blocks.Count - 1);
        var perBlock = Sum(blocks).Steps / (double)blocks.Count;
        // Few blocks know little of their own spread.
        var factor = 2 + 1.5 / Math.Pow(blocks.Count - 1, 1.5);
        return factor * Math.Sqrt(variance * (1.0 / blocks.Count + perBlock / Math.Max(left, perBlock / MostBlocks)));
    }

    private static List<Stretch> Blocks(Span<Stretch> run)
    {
        var count = Math.Min(MostBlocks, run.Length);
        var total = Sum(run).Steps;
        var blocks = new List<Stretch>(count);
        var (block, seen) = (default(Stretch), 0L);
        foreach (var one in run)
        {
            block = block.And(one);
            seen += one.Steps;
            if (seen * count < total * (blocks.Count + 1L))
                continue;
            blocks.Add(block);
            block = default;
        }
        return blocks;
    }

    private static double Median(ReadOnlySpan<Stretch> run)
    {
        var sorted = run.ToArray();
        Array.Sort(sorted, (a, b) => a.Pace.CompareTo(b.Pace));
        var half = Sum(sorted).Steps / 2.0;
        long seen = 0;
        foreach (var one in sorted)
            if ((seen += one.Steps) >= half)
                return one.Pace;
        return sorted[^1].Pace;
    }

    private static Stretch Sum(ReadOnlySpan<Stretch> run)
    {
        var sum = default(Stretch);
        foreach (var one in run)
            sum = sum.And(one);
        return sum;
    }

    private static Stretch Sum(IEnumerable<Stretch> run) => run.Aggregate(default(Stretch), (sum, one) => sum.And(one));

    private readonly record struct Stretch(long Steps, double Seconds)
    {
        public double Pace => Seconds / Steps;

        public Stretch And(Stretch other) => new(Steps + other.Steps, Seconds + other.Seconds);
    }
}
