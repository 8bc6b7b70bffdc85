namespace Bursar.Core.Forecast;

/// <summary>
/// The seconds per remaining step: low, likely, high. The remaining steps are expected to go like the whole run since its warm-up, because
/// pauses for checkpoints and slow ranks recur. A run that has lastingly changed its speed is the exception.
/// </summary>
/// <remarks>
/// <para>The run is cut into up to eight blocks of about equal steps. The spread of their paces gives the uncertainty of the mean of the
/// remaining steps. A block averages out the lateness and jitter of single reports.</para>
/// <para>A pause that came once is not expected to recur; only the high end includes it. A pace that rose or fell in nearly every block is
/// a trend that may or may not continue. The likely end then lies half-way between the present pace and the trend's, and the interval
/// contains both. If all the last reports agree on a change, everything before it is ignored.</para>
/// </remarks>
public sealed record Pace(double Low, double Likely, double High, long Steps, bool Settled)
{
    private const long SettledSteps = 100;

    /// <summary>Decisions do not use an interval wider than this share of its middle.</summary>
    public const double SettledWidth = 0.25;

    private static readonly TimeSpan SettledTime = TimeSpan.FromMinutes(2);

    private const int MostBlocks = 8;
    private const int LeastForTrend = 6;
    private const int LeastForChange = 8;

    /// <summary>Below this many stretches a recurring pause cannot be distinguished from a warm-up.</summary>
    private const int TellsWarmUp = 10;

    /// <summary>A stretch this much slower than half of the others is not noise.</summary>
    private const double Slow = 1.5;

    /// <summary>A change of pace below this is noise, or pauses.</summary>
    private const double Differs = 0.15;

    /// <summary>A run this much faster than before cannot be explained by missing pauses.</summary>
    private const double Faster = 0.75;

    /// <summary>Returns null for fewer than two points.</summary>
    /// <param name="points">The reports, oldest first.</param>
    /// <param name="left">The number of remaining steps. The fewer they are, the less chance averages out.</param>
    public static Pace? From(IReadOnlyList<ProgressPoint> points, long left)
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
        var (low, likely, high) = fresh == 0 && Trend(blocks, left) is { } trend ? trend : Steady(blocks, once, left);

        var widening = 0.1 / Math.Sqrt(run.Length);
        low = Math.Min(likely, low) * (1 - widening);
        high = Math.Max(likely, high) * (1 + widening);
        // A single stretch is no evidence, because it may include the compilation before the first step.
        if (all.Length == 1)
            low = 0;
        if (all.Length < TellsWarmUp)
            high = Math.Max(high, whole.Pace);
        // A run's first report often comes after some steps, so half of a hundred measured are enough if the whole hundred was made.
        var seen =
            whole.Steps >= SettledSteps
            || points[^1].Step >= SettledSteps && whole.Steps >= SettledSteps / 2
            || whole.Seconds >= SettledTime.TotalSeconds;
        return new(low, likely, high, whole.Steps, seen && high - low <= SettledWidth * likely);
    }

    /// <summary>Returns how many stretches at the beginning are far slower than half of all others.</summary>
    private static int WarmUp(Stretch[] all)
    {
        var most = Math.Min(3, all.Length - 3);
        var count = 0;
        while (count < most && all[count].Pace > Slow * Median(all.AsSpan((count + 1)..)))
            count++;
        return count;
    }

    /// <summary>
    /// Returns where the last reports begin, if nearly all of them agree on a pace different from the one before; otherwise 0.
    /// </summary>
    private static int Changed(Span<Stretch> run)
    {
        var recent = Math.Min(ProgressSeries.Recent, run.Length * 2 / 3);
        if (recent < LeastForChange)
            return 0;
        var (before, last) = (Sum(run[..^recent]).Pace, run[^recent..].ToArray());
        Array.Sort(last, (a, b) => a.Pace.CompareTo(b.Pace));
        var slower = last[recent / 4].Pace > before * (1 + Differs);
        // Reports between two pauses look faster than the run is.
        var faster = last[recent * 3 / 4].Pace < before * Faster;
        return slower || faster ? run.Length - recent : 0;
    }

    /// <summary>Returns the duration of the only pause of its size, if there is one; otherwise 0.</summary>
    private static double OnePause(Span<Stretch> run)
    {
        if (run.Length < 3)
            return 0;
        var median = Median(run);
        double first = 0,
            second = 0,
            plain = 0;
        foreach (var stretch in run)
        {
            var excess = stretch.Seconds - median * stretch.Steps;
            if (excess > first)
                (second, first, plain) = (first, excess, median * stretch.Steps);
            else if (excess > second)
                second = excess;
        }
        return first > 3 * second && first > (Slow - 1) * plain ? first : 0;
    }

    private static (double Low, double Likely, double High) Steady(IReadOnlyList<Stretch> blocks, double once, long left)
    {
        // Ignores everything before a lasting change of pace.
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
        var likely = Math.Max((sum.Seconds - once) / sum.Steps, 0);
        var doubt = Uncertainty(kept, kept.Select(block => block.Pace - sum.Pace), left);
        return (likely - doubt, likely, likely + doubt + once / sum.Steps);
    }

    /// <summary>Returns the pace if it rises or falls in nearly every pair of blocks, otherwise null.</summary>
    private static (double Low, double Likely, double High)? Trend(IReadOnlyList<Stretch> blocks, long left)
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
        // An extrapolated line means nothing far beyond the data, so it is limited to between half and double the present pace.
        var then = Math.Clamp(Line(total.Steps + left / 2.0), now / 2, now * 2);
        var doubt = Uncertainty(blocks, blocks.Select((block, i) => block.Pace - Line(middles[i])), left);
        return (Math.Min(now, then) - doubt, (now + then) / 2, Math.Max(now, then) + doubt);
    }

    /// <summary>
    /// Returns the uncertainty of the mean pace of the remaining steps, from the spread of the blocks seen and the number of those to come.
    /// </summary>
    private static double Uncertainty(IReadOnlyCollection<Stretch> blocks, IEnumerable<double> residuals, long left)
    {
        if (blocks.Count < 2)
            return 0;
        var variance = residuals.Sum(residual => residual * residual) / (blocks.Count - 1);
        var perBlock = Sum(blocks).Steps / (double)blocks.Count;
        // A few blocks estimate their own spread badly.
        var factor = 2 + 1.5 / Math.Pow(blocks.Count - 1, 1.5);
        return factor * Math.Sqrt(variance * (1.0 / blocks.Count + perBlock / Math.Max(left, perBlock / MostBlocks)));
    }

    private static List<Stretch> Blocks(Span<Stretch> run)
    {
        var count = Math.Min(MostBlocks, run.Length);
        var total = Sum(run).Steps;
        var blocks = new List<Stretch>(count);
        var (block, seen) = (default(Stretch), 0L);
        foreach (var stretch in run)
        {
            block = block.And(stretch);
            seen += stretch.Steps;
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
        foreach (var stretch in sorted)
            if ((seen += stretch.Steps) >= half)
                return stretch.Pace;
        return sorted[^1].Pace;
    }

    private static Stretch Sum(ReadOnlySpan<Stretch> run)
    {
        var sum = default(Stretch);
        foreach (var stretch in run)
            sum = sum.And(stretch);
        return sum;
    }

    private static Stretch Sum(IEnumerable<Stretch> run) => run.Aggregate(default(Stretch), (sum, stretch) => sum.And(stretch));

    private readonly record struct Stretch(long Steps, double Seconds)
    {
        public double Pace => Seconds / Steps;

        public Stretch And(Stretch other) => new(Steps + other.Steps, Seconds + other.Seconds);
    }
}
