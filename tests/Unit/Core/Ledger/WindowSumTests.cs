using System.Globalization;
using System.Numerics;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// Windows of budgets over workloads at arbitrary times. Each window costs what a plain overlap of times gives, and together the windows
/// cost as much as the whole: over clock changes, skipped days, leap days and ends of years.
/// </summary>
public sealed class WindowSumTests
{
    private const int DaysAround = 3;
    private const long Nano = 3_060_000_001;

    private static readonly (string Zone, DateTimeOffset Around)[] Places =
    [
        ("Europe/Berlin", new(2026, 3, 29, 1, 0, 0, TimeSpan.Zero)),
        ("Europe/Berlin", new(2026, 10, 25, 1, 0, 0, TimeSpan.Zero)),
        ("America/New_York", new(2026, 11, 1, 6, 0, 0, TimeSpan.Zero)),
        ("America/New_York", new(2028, 2, 29, 12, 0, 0, TimeSpan.Zero)),
        ("Australia/Lord_Howe", new(2026, 4, 4, 15, 0, 0, TimeSpan.Zero)), // clock change of half an hour
        ("Asia/Kathmandu", new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero)), // offset of 5:45 h
        ("Pacific/Apia", new(2011, 12, 30, 10, 0, 0, TimeSpan.Zero)), // a skipped date
        ("America/Sao_Paulo", new(2018, 2, 18, 2, 0, 0, TimeSpan.Zero)), // clock goes back over midnight: the date begins twice
        ("UTC", new(2028, 2, 29, 23, 59, 59, TimeSpan.Zero)),
    ];

    private static readonly WindowPeriod[] Periods =
    [
        WindowPeriod.Hour,
        WindowPeriod.Day,
        WindowPeriod.Week,
        WindowPeriod.Month,
        WindowPeriod.Quarter,
        WindowPeriod.Year,
    ];

    /// <summary>
    /// Start of a pod within the days (in 65,536ths of them), its duration and its GPUs. Bytes, because FsCheck draws small numbers for
    /// other types.
    /// </summary>
    public readonly record struct Frame(byte From, byte FromRest, byte Long, byte LongRest, byte Gpus);

    [Fact]
    public void Windows_of_every_kind_and_zone_sum_to_the_whole_cost() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<Frame[]>(),
                Gen.Choose(0, Places.Length - 1).ToArbitrary(),
                Gen.Choose(0, Periods.Length - 1).ToArbitrary(),
                (frames, place, period) =>
                {
                    var (zone, around) = Places[place];
                    var (start, end) = (around.AddDays(-DaysAround), around.AddDays(DaysAround));
                    var unit = (end - start).TotalMilliseconds / ushort.MaxValue;
                    var pods = frames
                        .Select(frame =>
                        {
                            var from = start.ToUnixTimeMilliseconds() + (long)((frame.From * 256 + frame.FromRest) * unit);
                            return (
                                From: from,
                                To: from + (long)((frame.Long * 256 + frame.LongRest) / 4 * unit),
                                Gpus: 1 + frame.Gpus % 8
                            );
                        })
                        .ToArray();

                    var ledger = new GpuLedger();
                    ledger.Install(start);
                    ledger.Reprice("card", new(Nano), start);
                    for (var i = 0; i < pods.Length; i++)
                    {
                        ledger.Observe(
                            new()
                            {
                                Uid = $"p{i}",
                                Pod = $"p{i}",
                                Workload = new("team", "Job", $"p{i}", $"p{i}"),
                                Class = WorkloadClass.Training,
                                Labels = new Dictionary<string, string>(),
                                Node = "n",
                                Product = "card",
                                Gpus = pods[i].Gpus,
                                ScheduledAt = DateTimeOffset.FromUnixTimeMilliseconds(pods[i].From),
                                FinishedAt = DateTimeOffset.FromUnixTimeMilliseconds(pods[i].To),
                                ObservedAt = start,
                            }
                        );
                    }
                    BigInteger Plain(DateTimeOffset from, DateTimeOffset to) =>
                        pods.Aggregate(BigInteger.Zero, (sum, pod) =>
                            sum
                            + new BigInteger(Nano)
                                * pod.Gpus
                                * Math.Max(
                                    0,
                                    Math.Min(pod.To, Math.Min(to.ToUnixTimeMilliseconds(), end.ToUnixTimeMilliseconds()))
                                        - Math.Max(pod.From, Math.Max(from.ToUnixTimeMilliseconds(), start.ToUnixTimeMilliseconds()))
                                )
                        );
                    BigInteger Spent(DateTimeOffset from, DateTimeOffset to) =>
                        ledger.Spent("team", LabelSelector.Everything, from, to, end).Units;

                    var spec = new WindowSpec(Periods[period], zone);
                    var sum = BigInteger.Zero;
                    for (var window = Window.At(spec, start); window.Start < end; window = Window.At(spec, window.End))
                    {
                        Window.At(spec, window.End.AddMilliseconds(-1)).Should().Be(window, "no moment lies between two windows");
                        var spent = Spent(window.Start, window.End);
                        spent.Should().Be(Plain(window.Start, window.End), "{0} {1} {2}", zone, spec.Period, window.Key);
                        sum += spent;
                        if (spec.Period == WindowPeriod.Day && zone != "America/Sao_Paulo")
                        {
                            // By the calendar of .NET instead of the product: the first and the last moment lie on the date in the window's
                            // key.
                            var system = TimeZoneInfo.FindSystemTimeZoneById(zone);
                            foreach (var moment in new[] { window.Start, window.End.AddMilliseconds(-1) })
                                TimeZoneInfo
                                    .ConvertTime(moment, system)
                                    .ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
                                    .Should()
                                    .Be(window.Key, "{0}", zone);
                        }
                    }
                    sum.Should().Be(Spent(start, end)).And.Be(Plain(start, end));
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(150));
}
