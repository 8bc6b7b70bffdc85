using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// Random days of a node: pods come as devices become free, end, fail, are deleted and replaced under the same name, nodes are lost, return
/// and are removed, and the operator is away now and then. The remaining facts report some of the ends that it missed: ends of owners,
/// reused names, journals.
/// </summary>
public sealed class AbsenceProperties
{
    private const int Minutes = 24 * 60;
    private static readonly DateTimeOffset Zero = new(2026, 11, 21, 0, 0, 0, TimeSpan.Zero);
    private static readonly GpuHourPrice Price = GpuHourPrice.FromDecimal(3.06m);

    [Fact]
    public void Billed_time_never_exceeds_devices_times_time() =>
        ForEachDay(
            (day, random) =>
            {
                for (var check = 0; check < 6; check++)
                {
                    var from = random.Next(Minutes);
                    var to = random.Next(from, Minutes + 1);
                    foreach (var ledger in day.Ledgers(random))
                    {
                        var bill = ledger.Bill("n1", At(from), At(to), At(Minutes));
                        var most = (Price * day.Gpus).For(At(to) - At(from));
                        bill.Total.Should().BeLessThanOrEqualTo(most);
                        bill.Reserved.Should().BeLessThanOrEqualTo(bill.Total);
                        (bill.Reserved + bill.Unallocated + bill.Unattributed.Values.Aggregate(Amount.Zero, (sum, one) => sum + one))
                            .Should()
                            .Be(bill.Total);
                        ledger.Spent("team", LabelSelector.Everything, At(from), At(to), At(Minutes)).Should().Be(bill.Reserved);
                    }
                }
            }
        );

    [Fact]
    public void Pods_that_were_seen_to_end_are_billed_as_they_ran() =>
        ForEachDay(
            (day, random) =>
            {
                foreach (var ledger in day.Ledgers(random))
                foreach (var pod in day.Pods.Where(pod => pod.IsSeen && !day.WasAway))
                    ledger
                        .SpentByWorkload("team", LabelSelector.Everything, At(0), At(Minutes), At(Minutes))
                        .Single(one => one.Workload.Uid == pod.Uid)
                        .ReservedGpuMs.Should()
                        .Be((Int128)(Math.Min(pod.To, Minutes) - pod.From) * 60_000 * pod.Units * pod.Share.Parts / pod.Share.Of);
            }
        );

    [Fact]
    public void No_pod_is_billed_beyond_a_fact_that_bounds_it() =>
        ForEachDay(
            (day, random) =>
            {
                foreach (var ledger in day.Ledgers(random))
                foreach (var pod in day.Pods.Where(pod => pod.Bound is not null))
                    ledger
                        .Entries("team", At(0), At(Minutes), At(Minutes))
                        .Where(entry => entry.PodUid == pod.Uid && !(entry.To <= At(pod.Bound!.Value)))
                        .Should()
                        .BeEmpty();
            }
        );

    [Fact]
    public void Generated_days_contain_absences_and_unseen_ends()
    {
        var days = Enumerable.Range(0, 100).Select(seed => new Day(new Random(seed))).ToArray();
        days.Sum(day => day.Pods.Count(pod => pod.IsUnseen)).Should().BeGreaterThan(150);
        days.Sum(day => day.Pods.Count(pod => pod.IsUnseen && pod.Bound is null)).Should().BeGreaterThan(30);
        days.Count(day => day.WasAway).Should().BeGreaterThan(20);
    }

    private static DateTimeOffset At(int minute) => Zero.AddMinutes(minute);

    private static void ForEachDay(Action<Day, Random> check) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed => check(new Day(new Random(seed)), new Random(seed)))
            .QuickCheckThrowOnFailure();

    private sealed class PodLife
    {
        public required string Uid { get; init; }
        public required string Name { get; init; }
        public required int From { get; init; }
        public required int To { get; init; }
        public required int Units { get; init; }
        public required DeviceShare Share { get; init; }

        /// <summary>Evidence outside the pod that it had ended.</summary>
        public int? Bound { get; set; }

        public bool IsSeen { get; set; }

        public bool IsUnseen { get; set; }
    }

    private sealed class Day
    {
        private readonly List<(int At, Action<GpuLedger> Tell)> _told = [];

        public Day(Random random)
        {
            Gpus = random.Next(1, 5);
            var slots = random.Next(3) == 0 ? 4 : 1;
            var absences = Absences(random);
            bool IsAbsent(int minute) => absences.Exists(one => one.From <= minute && minute < one.To);
            int LastSeen(int minute) => absences.Where(one => one.From <= minute).Select(one => one.From).DefaultIfEmpty(0).Max();
            int Back(int minute) => absences.First(one => one.From <= minute && minute < one.To).To;

            _told.Add((0, ledger => ledger.ObserveNode("n1", "V100", Gpus, At(0))));
            var free = Gpus * slots;
            var running = new List<PodLife>();
            for (var minute = 0; minute < Minutes; minute++)
            {
                foreach (var over in running.Where(pod => pod.To == minute).ToArray())
                {
                    running.Remove(over);
                    free += over.Units;
                }
                if (free == 0 || random.Next(25) > 0)
                    continue;
                var units = random.Next(1, free + 1);
                free -= units;
                var name = random.Next(3) > 0 && Pods.LastOrDefault(pod => pod.To <= minute) is { } former ? former.Name : $"p{Pods.Count}";
                var pod = new PodLife
                {
                    Uid = $"u{Pods.Count}",
                    Name = name,
                    From = minute,
                    To = minute + random.Next(1, 700),
                    Units = units,
                    Share = slots == 1 ? DeviceShare.Whole : new(1, slots),
                };
                // Only a pod that started since then shows that the name was reused.
                foreach (var namesake in Pods.Where(other => other.Name == name && other.IsUnseen))
                    namesake.Bound = Math.Min(namesake.Bound ?? int.MaxValue, minute);
                Pods.Add(pod);
                running.Add(pod);
                var first = Observation(pod, IsAbsent(minute) ? Back(minute) : minute);
                var gone = IsAbsent(minute) && pod.To < Back(minute);
                var keeps = random.Next(2) == 0;
                if (!gone || keeps)
                    _told.Add(((int)(first.ObservedAt - Zero).TotalMinutes, ledger => ledger.Observe(first)));
                if (pod.To >= Minutes)
                    continue;
                if (!IsAbsent(pod.To) || keeps)
                {
                    // The object of the pod reports the end, now or when the operator is back.
                    pod.IsSeen = true;
                    var seen = IsAbsent(pod.To) ? Back(pod.To) : pod.To;
                    _told.Add((seen, ledger => ledger.Observe(first with { FinishedAt = At(pod.To), ObservedAt = At(seen) })));
                }
                else if (!gone)
                {
                    pod.IsUnseen = true;
                    var (back, last) = (Back(pod.To), Math.Max(pod.From, LastSeen(pod.To)));
                    if (random.Next(3) == 0)
                        pod.Bound = random.Next(pod.To, back + 1);
                    _told.Add(
                        (back, ledger =>
                            ledger.Observe(
                                first with
                                {
                                    AliveAt = At(last),
                                    GoneAt = At(Math.Min(back, pod.Bound ?? back)),
                                    IsGone = true,
                                    ObservedAt = At(back),
                                }
                            )
                        )
                    );
                }
            }
            Nodes(random);
        }

        public int Gpus { get; }

        public bool WasAway { get; private set; }

        public List<PodLife> Pods { get; } = [];

        /// <summary>Ledgers that observed the facts in order, in random order, and with a restart in between.</summary>
        public IEnumerable<GpuLedger> Ledgers(Random random)
        {
            var told = _told.OrderBy(one => one.At).ToArray();
            yield return Told(told);
            var shuffled = told.ToArray();
            random.Shuffle(shuffled);
            yield return Told(shuffled);
            var stored = new Dictionary<string, string>();
            var ledger = new GpuLedger();
            Begin(ledger);
            foreach (var (_, tell) in told)
            {
                tell(ledger);
                if (random.Next(6) > 0)
                    continue;
                LedgerWorld.Write(ledger, stored);
                ledger = LedgerWorld.Read(stored.Values);
            }
            yield return ledger;
        }

        private static GpuLedger Told(IEnumerable<(int At, Action<GpuLedger> Tell)> told)
        {
            var ledger = new GpuLedger();
            Begin(ledger);
            foreach (var (_, tell) in told)
                tell(ledger);
            return ledger;
        }

        private static void Begin(GpuLedger ledger)
        {
            ledger.Install(At(0));
            ledger.Reprice("V100", Price, At(0));
        }

        private void Nodes(Random random)
        {
            if (random.Next(2) == 0)
                return;
            WasAway = true;
            var from = random.Next(60, Minutes - 60);
            var back = from + random.Next(1, 300);
            if (random.Next(2) == 0)
            {
                _told.Add((from + 1, ledger => ledger.MarkNodeLost("n1", At(from))));
                if (back < Minutes)
                    _told.Add((back, ledger => ledger.MarkNodeBack("n1", At(back))));
                return;
            }
            _told.Add((from, ledger => ledger.ObserveNodeGone("n1", At(from))));
            if (back < Minutes)
                _told.Add((back, ledger => ledger.ObserveNode("n1", "V100", Gpus, At(back))));
        }

        private static List<(int From, int To)> Absences(Random random)
        {
            var absences = new List<(int From, int To)>();
            for (var at = random.Next(30, 400); at < Minutes - 30; at += random.Next(30, 500))
            {
                var to = Math.Min(Minutes - 1, at + random.Next(10, 600));
                absences.Add((at, to));
                at = to;
            }
            return absences;
        }

        private static PodObservation Observation(PodLife pod, int seen) =>
            new()
            {
                Uid = pod.Uid,
                Pod = pod.Name,
                Workload = new("team", "Job", pod.Name, pod.Uid),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Product = "V100",
                Gpus = pod.Units,
                Share = pod.Share,
                ScheduledAt = At(pod.From),
                ObservedAt = At(seen),
            };
    }
}
