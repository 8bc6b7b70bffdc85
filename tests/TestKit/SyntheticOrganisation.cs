using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Tests.TestKit;

/// <summary>
/// The GPU spending of an invented organisation over days: training jobs that arrive by weekday and in bursts, with a trend and heavy-tailed
/// durations, and inference that grows in steps. A seed gives one organisation.
/// </summary>
public sealed class SyntheticOrganisation
{
    private const double GpuHourPrice = 2.5;
    private readonly List<SyntheticJob> _jobs = [];

    public SyntheticOrganisation(int seed, int days)
    {
        Days = days;
        var random = new Random(seed);
        var jobsPerDay = 8 * Math.Exp(2 * random.NextDouble());
        var weekend = 0.15 + 0.75 * random.NextDouble();
        var monthlyGrowth = 0.8 + 0.6 * random.NextDouble();
        var load = Enumerable.Repeat(1.0, days).ToArray();
        for (var bursts = random.Next(5); bursts > 0; bursts--)
        {
            var (from, length, factor) = (random.Next(days), random.Next(3, 11), 1.5 + 1.5 * random.NextDouble());
            for (var day = from; day < Math.Min(days, from + length); day++)
                load[day] *= factor;
        }
        for (var day = 0; day < days; day++)
        {
            var rate = jobsPerDay * (day % 7 >= 5 ? weekend : 1) * Math.Pow(monthlyGrowth, day / 30.0) * load[day];
            for (var jobs = Poisson(random, rate); jobs > 0; jobs--)
            {
                var start = 24 * day + Math.Clamp(14 + 4 * Normal(random), 0, 24);
                var hours = Math.Min(240, 3 * Math.Exp(1.3 * Normal(random)));
                _jobs.Add(new(start, start + hours, GpuHourPrice * (1 << random.Next(4)), random.Next(2) == 0));
            }
        }
        // A replica of inference runs from its day to the end.
        var replicas = random.Next(1, 6);
        for (var replica = 0; replica < 2 * replicas; replica++)
            _jobs.Add(new(replica < replicas ? 0 : 24 * random.Next(days * 3), 24 * days, GpuHourPrice, false));
    }

    public int Days { get; }

    public IReadOnlyList<SyntheticJob> Jobs => _jobs;

    public double[] ByDay()
    {
        var sums = new double[Days];
        foreach (var job in _jobs)
            for (var day = (int)(job.Start / 24); day < Days && 24 * day < job.End; day++)
                sums[day] += job.RatePerHour * Math.Max(0, Math.Min(job.End, 24 * (day + 1)) - Math.Max(job.Start, 24 * day));
        return sums;
    }

    /// <summary>Returns what the running jobs of declared duration and inference still cost after a day, up to the last day.</summary>
    public IEnumerable<KnownCost> KnownAfter(int day) =>
        _jobs
            .Where(job => job.Start < 24 * day && job.End > 24 * day && (job.IsDeclared || job.End >= 24 * Days))
            .Select(job =>
            {
                var rate = HourlyCost.FromDecimal((decimal)job.RatePerHour);
                return new KnownCost(rate, rate.For(TimeSpan.FromHours(Math.Min(job.End, 24 * Days) - 24 * day)));
            });

    private static int Poisson(Random random, double mean)
    {
        var (count, product) = (0, random.NextDouble());
        for (var limit = Math.Exp(-Math.Min(mean, 500)); product > limit; count++)
            product *= random.NextDouble();
        return count;
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}

/// <param name="Start">In hours from the first day.</param>
/// <param name="IsDeclared">Whether its duration is known in advance.</param>
public sealed record SyntheticJob(double Start, double End, double RatePerHour, bool IsDeclared);
