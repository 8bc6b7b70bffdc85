using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// Pods that ended while no operator was running. Their end is bounded by a later pod on the same devices, the journal of the agent or the
/// removal of the node.
/// </summary>
public sealed class UnseenEndTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Stopped = Start.AddMinutes(10);
    private static readonly DateTimeOffset Back = Start.AddHours(10);

    [Fact]
    public void Older_pod_yields_to_the_one_that_took_its_devices()
    {
        var ledger = Ledger(gpus: 2);
        Vanish(ledger, "old", gpus: 1, from: Start);
        Vanish(ledger, "other", gpus: 1, from: Start.AddMinutes(1));
        ledger.Observe(Pod("new", 1, Start.AddHours(3)));

        HoursOf(ledger, "old").Should().Be(3);
        HoursOf(ledger, "other").Should().BeApproximately(10 - 1 / 60d, 1e-9, "one of them was enough");
    }

    [Fact]
    public void Pod_that_was_seen_to_run_never_yields()
    {
        var ledger = Ledger(gpus: 1);
        ledger.Observe(Pod("runs", 1, Start));
        ledger.Observe(Pod("late", 1, Start.AddHours(3)));

        HoursOf(ledger, "runs").Should().Be(10, "a device that was withdrawn under a running pod still counts");
    }

    [Fact]
    public void Pod_yields_to_its_own_replacement_before_an_older_one_does()
    {
        var ledger = Ledger(gpus: 2);
        Vanish(ledger, "older", gpus: 1, from: Start);
        Vanish(ledger, "web-a", gpus: 1, from: Start.AddMinutes(1), workload: "web");
        ledger.Observe(Pod("web-b", 1, Start.AddHours(3), workload: "web"));

        HoursOf(ledger, "older").Should().Be(10);
    }

    [Fact]
    public void Pod_does_not_end_before_it_was_last_seen()
    {
        var ledger = Ledger(gpus: 1);
        Vanish(ledger, "old", gpus: 1, from: Start);
        ledger.Observe(Pod("early", 1, Stopped.AddMinutes(-5)) with { FinishedAt = Stopped });

        HoursOf(ledger, "old").Should().Be(10);
    }

    [Theory]
    [InlineData(4, 3)]
    [InlineData(3, 10)]
    public void Slots_of_a_card_are_counted_as_parts_of_it(int newcomers, double hours)
    {
        var ledger = Ledger(gpus: 1);
        Vanish(ledger, "old", gpus: 1, from: Start, share: new(1, 4));
        for (var i = 0; i < newcomers; i++)
            ledger.Observe(Pod($"new-{i}", 1, Start.AddHours(3)) with { Share = new(1, 4) });

        HoursOf(ledger, "old").Should().Be(hours / 4);
    }

    [Fact]
    public void Agent_that_saw_the_pod_after_the_operator_saw_its_end()
    {
        var ledger = Ledger(gpus: 1);
        Vanish(ledger, "old", gpus: 1, from: Start);
        Journal(ledger, "old", to: Start.AddHours(5));

        HoursOf(ledger, "old").Should().Be(5);
    }

    /// <summary>The agent samples once a second, so a pod may seem to begin before its predecessor has ended.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Pod_that_an_agent_saw_until_its_end_never_yields(int secondsBeyond)
    {
        var ledger = Ledger(gpus: 1);
        Vanish(ledger, "old", gpus: 1, from: Start);
        Journal(ledger, "old", to: Back.AddSeconds(secondsBeyond));
        ledger.Observe(Pod("new", 1, Start.AddHours(3)));

        HoursOf(ledger, "old").Should().Be(10);
    }

    [Fact]
    public void Removed_node_ends_its_pods_and_its_bill()
    {
        var ledger = Ledger(gpus: 4);
        Vanish(ledger, "old", gpus: 1, from: Start);
        ledger.Observe(Pod("stuck", 1, Start));
        ledger.ObserveNodeGone("n1", Start.AddHours(2));

        HoursOf(ledger, "old").Should().Be(2);
        HoursOf(ledger, "stuck").Should().Be(2);
        ledger.Bill("n1", Start, Back, Back).Total.Should().Be((GpuHourPrice.FromDecimal(3.06m) * 4).For(TimeSpan.FromHours(2)));
    }

    [Fact]
    public void Unseen_end_survives_storage_and_yields_again()
    {
        var ledger = Ledger(gpus: 1);
        Vanish(ledger, "old", gpus: 1, from: Start);
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        var restored = LedgerWorld.Read(stored.Values);
        HoursOf(restored, "old").Should().Be(10);

        restored.Observe(Pod("new", 1, Start.AddHours(3)));

        HoursOf(restored, "old").Should().Be(3);
    }

    [Fact]
    public void Better_bound_lowers_the_end_whatever_the_order()
    {
        var observations = new[] { (Stopped, Back), (Stopped, Start.AddHours(2)), (Start.AddMinutes(20), Back) };
        foreach (var order in new[] { observations, [.. observations.Reverse()] })
        {
            var ledger = Ledger(gpus: 1);
            ledger.Observe(Pod("old", 1, Start));
            foreach (var (alive, gone) in order)
                ledger.Observe(Pod("old", 1, Start) with { AliveAt = alive, GoneAt = gone, IsGone = true, ObservedAt = Back });

            HoursOf(ledger, "old").Should().Be(2);
            ledger.Observe(Pod("new", 1, Start.AddMinutes(15)));
            HoursOf(ledger, "old").Should().Be(2, "it was seen after the new pod began");
        }
    }

    private static GpuLedger Ledger(int gpus)
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.ObserveNode("n1", "V100", gpus, Start);
        ledger.Reprice("V100", GpuHourPrice.FromDecimal(3.06m), Start);
        return ledger;
    }

    /// <summary>Adds a pod that was seen until the operator stopped and was gone when it was back.</summary>
    private static void Vanish(
        GpuLedger ledger,
        string name,
        int gpus,
        DateTimeOffset from,
        string? workload = null,
        DeviceShare? share = null
    )
    {
        var pod = Pod(name, gpus, from, workload) with { Share = share ?? DeviceShare.Whole };
        ledger.Observe(pod);
        ledger.Observe(pod with { AliveAt = Stopped, GoneAt = Back, IsGone = true, ObservedAt = Back });
    }

    /// <summary>Adds journal entries of the pod from before the operator stopped.</summary>
    private static void Journal(GpuLedger ledger, string pod, DateTimeOffset to) =>
        ledger.Record(
            new()
            {
                Node = "n1",
                Epoch = "e",
                First = 1,
                Next = 2,
                Now = Back,
                Intervals =
                [
                    new()
                    {
                        Seq = 1,
                        PodUid = pod,
                        Namespace = "team",
                        Pod = pod,
                        Device = "GPU-0",
                        From = Start.AddMinutes(9),
                        To = to,
                        BusyMs = 1,
                    },
                ],
            },
            null
        );

    private static PodObservation Pod(string name, int gpus, DateTimeOffset from, string? workload = null) =>
        new()
        {
            Uid = name,
            Pod = name,
            Workload = new("team", "Job", workload ?? name, $"uid-{workload ?? name}"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = "V100",
            Gpus = gpus,
            ScheduledAt = from,
            ObservedAt = from,
        };

    /// <summary>Card hours billed by the ledger; a slot counts as its part.</summary>
    private static double HoursOf(GpuLedger ledger, string name) =>
        (double)
            ledger
                .SpentByWorkload("team", LabelSelector.Everything, Start, Back, Back)
                .Single(one => one.Workload.Name == name || one.Workload.Name == name.Split('-')[0])
                .ReservedGpuMs / 3_600_000;
}
