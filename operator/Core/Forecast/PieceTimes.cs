namespace Bursar.Core.Forecast;

/// <summary>
/// The distribution of the duration of a piece, from the ended pieces and from the age of those in flight, which will take longer than that
/// (right-censored observations). The Kaplan-Meier estimate gives the distribution up to the longest ended piece. Beyond that a log-normal
/// distribution is fitted to the quantiles below.
/// </summary>
internal sealed class PieceTimes
{
    /// <summary>A larger sample of ended pieces adds nothing.</summary>
    private const int MostEnded = 512;

    /// <summary>
    /// The assumed standard deviation of the logarithm of a piece's duration before any was seen. It weighs as much as two observations.
    /// </summary>
    private const double AssumedSpread = 0.5;

    /// <summary>The spread of the likely value. It is small, so that equal pieces that began seconds apart do not seem to be long.</summary>
    private const double LikelySpread = 0.02;

    private readonly (double Time, double Weight)[] _ended;
    private readonly double _longer;
    private readonly double _afterWindow;
    private readonly double _mu;
    private readonly double _sigma;
    private readonly bool _extrapolates;

    /// <param name="ended">The seconds of each ended piece, ascending, at least one.</param>
    /// <param name="ages">The seconds so far of each piece in flight, ascending.</param>
    /// <param name="extrapolates">If false, a piece older than every ended one is assumed to end now.</param>
    private PieceTimes(double[] ended, double[] ages, bool extrapolates)
    {
        _extrapolates = extrapolates;
        _ended = new (double, double)[ended.Length];
        var quantiles = new double[ended.Length];
        _longer = 1;
        for (var (i, younger) = (0, 0); i < ended.Length; i++)
        {
            while (younger < ages.Length && ages[younger] < ended[i])
                younger++;
            var weight = _longer / (ended.Length - i + ages.Length - younger);
            _ended[i] = (ended[i], weight);
            quantiles[i] = Normal.Quantile(1 - _longer + weight / 2);
            _longer = Math.Max(0, _longer - weight);
        }

        var logs = Array.ConvertAll(ended, time => Math.Log(time));
        var (middle, centre) = (logs.Average(), quantiles.Average());
        double together = 0,
            apart = 0,
            squares = 0;
        for (var i = 0; i < logs.Length; i++)
        {
            together += (logs[i] - middle) * (quantiles[i] - centre);
            apart += (quantiles[i] - centre) * (quantiles[i] - centre);
            squares += (logs[i] - middle) * (logs[i] - middle);
        }
        var slope = apart > 0 ? together / apart : 0;
        _sigma = Math.Sqrt((2 * LikelySpread * LikelySpread + (logs.Length - 1) * slope * slope) / (logs.Length + 1));
        _mu = middle - _sigma * centre;
        Spread = Math.Max(_sigma, Math.Sqrt((2 * AssumedSpread * AssumedSpread + squares) / (logs.Length + 1)));

        var late = ages.Where(age => age >= ended[^1]).ToArray();
        _afterWindow = late.Length == 0 ? 0 : late.Average(age => age + Overrun(age));
        if (late.Length == 0)
            _longer = 0;
        Mean = _ended.Sum(piece => piece.Time * piece.Weight) + _longer * _afterWindow;
    }

    /// <summary>The expected seconds of a piece that has not begun.</summary>
    public double Mean { get; }

    /// <summary>The standard deviation of the logarithm of a piece's duration, increased if few were seen.</summary>
    public double Spread { get; }

    public int Count => _ended.Length;

    /// <summary>Returns null if no piece has ended.</summary>
    public static (PieceTimes Likely, PieceTimes Least)? From(IReadOnlyList<TimeSpan> ended, IReadOnlyList<TimeSpan> inFlight)
    {
        if (ended.Count == 0)
            return null;
        double[] times = [.. ended.Skip(ended.Count - MostEnded).Select(time => Math.Max(time.TotalSeconds, 1)).Order()],
            ages = [.. inFlight.Select(age => age.TotalSeconds).Order()];
        return (new(times, ages, true), new(times, ages, false));
    }

    /// <summary>Returns the remaining seconds of a piece of the given age.</summary>
    public double Left(double age)
    {
        if (age >= _ended[^1].Time)
            return Overrun(age);
        double share = _longer,
            left = _longer * (_afterWindow - age);
        foreach (var (time, weight) in _ended)
            if (time > age)
                (share, left) = (share + weight, left + weight * (time - age));
        return left / share;
    }

    /// <summary>
    /// Returns the remaining seconds of a piece older than every ended one: those of the log-normal distribution, or half of its lateness,
    /// at most the duration of the longest ended piece. The latter applies to a piece that differs from the others.
    /// </summary>
    private double Overrun(double age)
    {
        if (!_extrapolates)
            return 0;
        var longest = _ended[^1].Time;
        var z = (Math.Log(age) - _mu) / _sigma;
        var excess = z > 6 ? age * _sigma / z : Math.Exp(_mu + _sigma * _sigma / 2) * Normal.Above(z - _sigma) / Normal.Above(z) - age;
        return Math.Max(Math.Min(excess, longest * MostExcess), Math.Min((age - longest) / 2, longest));
    }

    /// <summary>A fit to a few short pieces may be far off for long ones.</summary>
    private const double MostExcess = 4;

    /// <summary>The standard normal distribution.</summary>
    private static class Normal
    {
        /// <summary>Returns the probability of a value above z, with a relative error below 2e-7 (Numerical Recipes, erfcc).</summary>
        public static double Above(double z)
        {
            var x = Math.Abs(z) / Math.Sqrt(2);
            var t = 1 / (1 + x / 2);
            var tail =
                t
                * Math.Exp(
                    -x * x
                        - 1.26551223
                        + t
                            * (
                                1.00002368
                                + t
                                    * (
                                        0.37409196
                                        + t
                                            * (
                                                0.09678418
                                                + t
                                                    * (
                                                        -0.18628806
                                                        + t
                                                            * (
                                                                0.27886807
                                                                + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))
                                                            )
                                                    )
                                            )
                                    )
                            )
                );
            return z >= 0 ? tail / 2 : 1 - tail / 2;
        }

        /// <summary>Returns the value below which a share lies, to 5e-4 (Abramowitz and Stegun, 26.2.23).</summary>
        public static double Quantile(double share)
        {
            var t = Math.Sqrt(-2 * Math.Log(Math.Clamp(Math.Min(share, 1 - share), 1e-9, 0.5)));
            var z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
            return share < 0.5 ? -z : z;
        }
    }
}
