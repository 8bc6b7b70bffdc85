using System.Globalization;
using Bursar.Core.Forecast;

namespace Bursar.Tests.TestKit.Sweeps;

/// <summary>The error of the likely end of a sweep's estimate, in GPU time of the whole sweep.</summary>
/// <param name="Family">What the sweeps have in common.</param>
/// <param name="Share">The share of GPU time spent when the estimate was made.</param>
/// <param name="Median">The median error as a share of the true cost of the sweep.</param>
/// <param name="P90">The error that nine of ten estimates do not exceed.</param>
/// <param name="Coverage">How often the interval contained the actual cost.</param>
/// <param name="Above">How often even the low end exceeded the actual cost, so that a sweep that fits would be suspended.</param>
public sealed record SweepErrors(string Family, double Share, double Median, double P90, double Coverage, double Above)
{
    public static readonly double[] Shares = [0.10, 0.25, 0.50, 0.75];

    public static readonly string[] Families =
    [
        "equal pieces",
        "spread 0.25",
        "spread 0.5",
        "spread 1",
        "failures",
        "suspended",
        "resized",
        "any",
    ];

    public static SweepPlan Plan(string family, Random random)
    {
        var any = SweepPlan.Any(random);
        var plain = any with { Completions = 20 + random.Next(480), Sigma = 0.4, Fails = 0, Suspensions = 0, Resizes = 0 };
        return family switch
        {
            "equal pieces" => plain with { Sigma = 0 },
            "spread 0.25" => plain with { Sigma = 0.25 },
            "spread 0.5" => plain with { Sigma = 0.5 },
            "spread 1" => plain with { Sigma = 1 },
            "failures" => plain with { Fails = 0.2 },
            "suspended" => plain with { Suspensions = 2 },
            "resized" => plain with { Resizes = 3 },
            _ => any,
        };
    }

    public static IReadOnlyList<SweepErrors> Measure(string family, int runs)
    {
        var sweeps = Enumerable
            .Range(0, runs)
            .Select(seed => new Random(seed * 31 + 7))
            .Select(random => new SweepRun(Plan(family, random), random))
            .ToArray();
        return
        [
            .. Shares.Select(share =>
            {
                var seen = new List<(double Error, bool Held, bool Above)>();
                foreach (var sweep in sweeps)
                {
                    var at = sweep.When(share);
                    var facts = sweep.FactsAt(at);
                    var estimate = sweep.IsSuspended(at)
                        ? Estimator.AfterResume(facts)
                        : Estimator.Remaining(facts, SweepRun.Start.AddSeconds(at));
                    if (!estimate.IsKnown)
                        continue;
                    var left = sweep.Work - sweep.Spent(at);
                    double Cost(TimeSpan time) => time.TotalSeconds * facts.Gpus;
                    seen.Add(
                        (
                            Math.Abs(Cost(estimate.Likely) - left) / sweep.Work,
                            Cost(estimate.Low) <= left + 1 && left <= Cost(estimate.High) + 1,
                            Cost(estimate.Low) > left + 1
                        )
                    );
                }
                var errors = seen.Select(one => one.Error).Order().ToArray();
                double At(double quantile) => errors.Length == 0 ? 0 : errors[(int)((errors.Length - 1) * quantile)];
                return new SweepErrors(
                    family,
                    share,
                    At(0.5),
                    At(0.9),
                    seen.Average(one => one.Held ? 1.0 : 0),
                    seen.Average(one => one.Above ? 1.0 : 0)
                );
            }),
        ];
    }

    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Family, -14} {Share, 4:P0}  error median {Median, 6:P1}  p90 {P90, 6:P1}  held {Coverage, 4:P0}  low end above the truth {Above:P1}"
        );
}
