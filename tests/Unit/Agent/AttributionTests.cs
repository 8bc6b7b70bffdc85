using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Agent;

/// <summary>Attribution of devices and their activity to pods. The node is a table of processes and readings.</summary>
public sealed class AttributionTests
{
    private const string Gpu = "GPU-5c2a10ff-8d1e-4b6f-9a57-0c1d2e3f4a5b";
    private const string Reservations = "kai-resource-reservation";

    private static readonly DateTimeOffset Start = new(2026, 11, 21, 8, 0, 0, TimeSpan.Zero);

    private readonly Dictionary<int, ProcessOwner> _processes = [];
    private readonly List<PodDevice> _devices = [];
    private readonly HashSet<string> _live = [];
    private readonly UsageAccumulator _accumulator = new();
    private readonly List<UsageInterval> _closed = [];
    private readonly Dictionary<string, long> _unusedCache = [];
    private DateTimeOffset _at = Start;

    [Theory]
    [InlineData(Gpu, "nvidia.com/gpu", Gpu, null)]
    [InlineData(Gpu + "::1", "nvidia.com/gpu", Gpu, null)]
    [InlineData(Gpu, "nvidia.com/gpu.shared", Gpu, null)]
    [InlineData(Gpu + "-3", "nvidia.com/gpu", Gpu, null)]
    [InlineData("nvidia0", "nvidia.com/gpu", Gpu, null)]
    [InlineData("nvidia0/vgpu3", "nvidia.com/gpu", Gpu, null)]
    [InlineData("gpu.nvidia.com/node-1/gpu-0", "gpu.nvidia.com", Gpu, null)]
    [InlineData("MIG-5c1", "nvidia.com/mig-2g.10gb", "MIG-5c1", UsageReasons.MigActivityUnknown)]
    [InlineData("MIG-5c1", "nvidia.com/gpu", "MIG-5c1", UsageReasons.MigActivityUnknown)]
    [InlineData("MIG-5c1::0", "nvidia.com/gpu", "MIG-5c1", UsageReasons.MigActivityUnknown)]
    [InlineData("MIG-GPU-b/7/0", "nvidia.com/gpu", "MIG-GPU-b/7/0", UsageReasons.MigActivityUnknown)]
    [InlineData("nvidia1/gi3", "nvidia.com/gpu", "MIG-5c1", UsageReasons.MigActivityUnknown)]
    [InlineData("nvidia1/gi3/vgpu1", "nvidia.com/gpu", "MIG-5c1", UsageReasons.MigActivityUnknown)]
    [InlineData("GPU-b", "nvidia.com/gpu", "GPU-b", UsageReasons.MigActivityUnknown)]
    [InlineData(
        "gpu.nvidia.com/node-1/gpu-1-mig-9-0-1",
        "gpu.nvidia.com",
        "gpu.nvidia.com/node-1/gpu-1-mig-9-0-1",
        UsageReasons.MigActivityUnknown
    )]
    [InlineData("GPU-unknown", "nvidia.com/gpu", "GPU-unknown", UsageReasons.DeviceUnreadable)]
    [InlineData("nvidia7", "nvidia.com/gpu", "nvidia7", UsageReasons.DeviceUnreadable)]
    public void Device_is_found_by_every_form_of_its_id(string id, string resource, string device, string? reason)
    {
        _devices.Add(new PodDevice("ns", "p", "c", resource, id));

        Holdings(Cut(0)).Should().ContainSingle().Which.Should().Match<DeviceHolding>(h => h.Key.Device == device && h.Reason == reason);
    }

    [Theory]
    [InlineData("MIG-5c1", "2/7")]
    [InlineData("MIG-5c1::0", "0/1")]
    [InlineData(Gpu, "1/1")]
    [InlineData(Gpu + "::0", "0/1")]
    public void Slices_are_a_share_of_the_physical_gpu(string id, string share)
    {
        _devices.Add(new PodDevice("ns", "p", "c", "nvidia.com/gpu", id));

        Holdings(Cut(0)).Should().ContainSingle().Which.Share.Should().Be(share);
    }

    [Fact]
    public void Two_containers_of_one_pod_count_a_device_once()
    {
        _devices.Add(new PodDevice("ns", "p", "init", "nvidia.com/gpu", Gpu));
        _devices.Add(new PodDevice("ns", "p", "main", "nvidia.com/gpu", Gpu));

        Holdings(Whole(1)).Should().ContainSingle().Which.Key.Container.Should().Be("init");
    }

    [Fact]
    public void Ended_pod_that_is_still_listed_has_no_part_of_the_device()
    {
        _devices.Add(new PodDevice("ns", "ended", "c", "nvidia.com/gpu", Gpu));
        _devices.Add(new PodDevice("ns", "runs", "c", "nvidia.com/gpu", Gpu));

        Holdings(Whole(1))
            .Select(h => h.Key.Pod)
            .Should()
            .Equal(["ended", "runs"], "before the first report of the operator, the live pod is unknown");
        _live.Add("runs");
        Holdings(Whole(1)).Should().ContainSingle().Which.Should().Match<DeviceHolding>(h => h.Key.Pod == "runs" && h.Share == "1/1");
    }

    [Fact]
    public void Device_of_several_pods_is_split_by_what_their_processes_used()
    {
        Shared("a", "b");
        (_processes[10], _processes[20]) = (Pod("a"), Pod("b"));

        Run(10, Whole(80, energy: 100, uses: [(10, 60), (20, 20)], pids: [10, 20]));

        Busy("a").Should().Be(6000);
        Busy("b").Should().Be(2000);
        Energy("a").Should().Be(750);
        Energy("b").Should().Be(250);
        _closed.Should().OnlyContain(i => i.Reason == null && i.Share == "0/1");
    }

    [Fact]
    public void Busy_and_idle_pods_on_one_GPU_are_distinguished()
    {
        Shared("a", "b");
        (_processes[10], _processes[20]) = (Pod("a"), Pod("b"));

        Run(10, Whole(90, uses: [(10, 88)], pids: [10, 20]));

        Busy("a").Should().Be(9000);
        Busy("b").Should().Be(0);
    }

    [Fact]
    public void Pods_with_a_process_share_equally_without_driver_data()
    {
        Shared("a", "b", "c");
        (_processes[10], _processes[20], _processes[21]) = (Pod("a"), Pod("b"), Pod("b"));

        Run(10, Whole(50, pids: [10, 20, 21]));

        Busy("a").Should().Be(2500);
        Busy("b").Should().Be(2500);
        Busy("c").Should().Be(0);
    }

    [Fact]
    public void Energy_of_an_idle_shared_device_is_split_over_all_its_pods()
    {
        Shared("a", "b");

        Run(10, Whole(0, energy: 101));

        Energy("a").Should().Be(510);
        Energy("b").Should().Be(500);
    }

    [Fact]
    public void Activity_of_an_MPS_server_belongs_to_its_clients()
    {
        Shared("a", "b");
        _processes[5] = new ProcessOwner(ProcessKind.MpsServer);
        (_processes[10], _processes[20]) = (Pod("a"), Pod("b"));

        Run(10, Whole(60, uses: [(5, 60)], pids: [5, 10, 20]));

        Busy("a").Should().Be(3000);
        Busy("b").Should().Be(3000);
    }

    [Theory]
    [InlineData(ProcessKind.Host, UsageReasons.HostProcess)]
    [InlineData(ProcessKind.Unknown, UsageReasons.ProcessUnknown)]
    public void Activity_outside_pods_is_unattributed_with_a_reason(ProcessKind kind, string reason)
    {
        Shared("a", "b");
        _processes[10] = Pod("a");
        _processes[99] = new ProcessOwner(kind);

        Run(10, Whole(80, energy: 100, uses: [(10, 60), (99, 20)], pids: [10, 99]));

        Busy("a").Should().Be(6000);
        _closed
            .Single(i => i.Pod == "")
            .Should()
            .Match<UsageInterval>(i =>
                i.PodUid == null
                && i.Namespace == ""
                && i.Reason == reason
                && i.BusyMs == 2000
                && i.To - i.From == TimeSpan.FromSeconds(2)
                && i.EnergyMj == 250
                && i.Device == Gpu
            );
    }

    [Fact]
    public void Shared_device_that_shows_no_process_is_unattributed()
    {
        Shared("a", "b");

        Run(10, Whole(40));

        _closed.Single(i => i.Pod == "").Should().Match<UsageInterval>(i => i.Reason == UsageReasons.NoProcessSeen && i.BusyMs == 4000);
    }

    [Fact]
    public void Activity_on_an_unallocated_device_is_unattributed()
    {
        _processes[99] = new ProcessOwner(ProcessKind.Host);

        Run(10, Whole(40, pids: [99]));

        _closed.Should().ContainSingle().Which.Should().Match<UsageInterval>(i => i.Reason == UsageReasons.HostProcess && i.BusyMs == 4000);
    }

    [Fact]
    public void Pod_alone_on_a_device_gets_unknown_processes_but_not_host_ones()
    {
        _devices.Add(new PodDevice("ns", "a", "c", "nvidia.com/gpu", Gpu));
        _processes[99] = new ProcessOwner(ProcessKind.Host);

        Run(10, Whole(80, uses: [(10, 60), (99, 20)], pids: [10, 99]));

        Busy("a").Should().Be(6000);
        _closed.Single(i => i.Pod == "").BusyMs.Should().Be(2000);
    }

    [Fact]
    public void KAI_reservation_yields_to_the_pods_that_use_its_GPU()
    {
        _devices.Add(new PodDevice(Reservations, "gpu-reservation-1", "c", "nvidia.com/gpu", Gpu));
        (_processes[10], _processes[20]) = (Pod("half"), Pod("quarter"));

        Run(10, Whole(90, energy: 100, uses: [(10, 60), (20, 30)], pids: [10, 20]));

        _closed
            .Should()
            .HaveCount(2)
            .And.OnlyContain(i => i.Reason == UsageReasons.NotRequested && i.Namespace == "", "the kubelet gave them nothing");
        _closed
            .Select(i => (i.PodUid, i.Pod, i.BusyMs, i.EnergyMj))
            .Should()
            .BeEquivalentTo([("uid-half", "ns/half", 6000L, (long?)667), ("uid-quarter", "ns/quarter", 3000, 333)], o =>
                o.Using<long?>(c => c.Subject!.Value.Should().BeCloseTo(c.Expectation!.Value, 10)).WhenTypeIs<long?>()
            );
    }

    [Fact]
    public void Unused_reservation_is_reported_as_reserved_for_others()
    {
        _devices.Add(new PodDevice(Reservations, "gpu-reservation-1", "c", "nvidia.com/gpu", Gpu));

        Run(10, Whole(0, energy: 30));

        _closed
            .Should()
            .ContainSingle()
            .Which.Should()
            .Match<UsageInterval>(i => i.Reason == UsageReasons.ReservedForOthers && i.BusyMs == 0 && i.EnergyMj == 300);
    }

    [Fact]
    public void HAMi_pod_is_found_on_the_device_of_its_process()
    {
        const string other = "GPU-11111111-8d1e-4b6f-9a57-0c1d2e3f4a5b";
        _devices.Add(new PodDevice("ns", "a", "c", "nvidia.com/gpu", other + "-2"));
        _processes[10] = Pod("a");
        var snapshot = Whole(70, uses: [(10, 70)], pids: [10]);
        snapshot = snapshot with
        {
            Devices =
            [
                .. snapshot.Devices,
                new GpuReading
                {
                    Uuid = other,
                    UtilizationPercent = 0,
                    Minor = 1,
                },
            ],
        };

        Run(10, snapshot);

        _closed.Where(i => i.PodUid == "uid-a").Select(i => (i.Device, i.BusyMs)).Should().BeEquivalentTo([(other, 0L), (Gpu, 7000)]);
    }

    [Fact]
    public void MIG_device_has_unknown_activity_and_its_part_of_the_GPU_energy()
    {
        _devices.Add(new PodDevice("ns", "a", "c", "nvidia.com/mig-2g.10gb", "MIG-5c1"));

        for (int second = 0; second <= 7; second++)
            Take(Cut(100L * second));
        _closed.AddRange(_accumulator.CloseAll());

        _closed
            .Should()
            .ContainSingle(i => i.PodUid != null)
            .Which.Should()
            .Match<UsageInterval>(i =>
                i.Reason == UsageReasons.MigActivityUnknown
                && i.BusyMs == 0
                && i.Share == "2/7"
                && i.EnergyMj == 200
                && i.MemoryMiBMs == 3 * 7000
            );
    }

    [Fact]
    public void Memory_is_that_of_the_pods_processes()
    {
        Shared("a", "b");
        (_processes[10], _processes[20]) = (Pod("a"), Pod("b"));

        Run(10, Whole(10, pids: [10, 20]));

        _closed.Single(i => i.Pod == "a").MemoryMiBMs.Should().Be(10 * 10_000);
        _closed.Single(i => i.Pod == "b").MemoryMiBMs.Should().Be(20 * 10_000);
    }

    [Fact]
    public void Needed_memory_is_the_peak_without_the_unused_cache()
    {
        Shared("a", "b");
        (_processes[10], _processes[20]) = (Pod("a"), Pod("b"));
        _unusedCache["uid-a"] = 8L << 20;
        Run(5, Whole(10, pids: [10, 20]));
        _unusedCache["uid-a"] = 3L << 20;
        Run(2, Whole(10, pids: [10, 20]));
        _unusedCache["uid-a"] = 9L << 20;

        Run(3, Whole(10, pids: [10, 20]));

        _closed.Where(i => i.Pod == "a").Max(i => i.NeededMiB).Should().Be(10 - 3);
        _closed.Where(i => i.Pod == "b").Should().OnlyContain(i => i.NeededMiB == null, "its server does not tell");
    }

    [Fact]
    public void Busy_time_of_any_processes_is_counted_exactly_once()
    {
        var sample = Gen.Zip(Gen.Choose(0, 100), Gen.Zip(Gen.Choose(0, 5), Gen.Choose(0, 100)).ListOf(6)).ListOf(30).ToArbitrary();
        Prop.ForAll(sample, samples =>
            {
                var subject = new AttributionTests();
                subject.Shared("a", "b", "c");
                (subject._processes[0], subject._processes[1], subject._processes[2]) = (Pod("a"), Pod("b"), Pod("c"));
                subject._processes[3] = new ProcessOwner(ProcessKind.Host);
                subject._processes[4] = new ProcessOwner(ProcessKind.MpsServer);
                subject.Take(Whole(0));
                long percentMs = 0,
                    energy = 0;
                foreach (var (percent, uses) in samples)
                {
                    percentMs += percent * 1000;
                    energy += 37;
                    subject.Take(Whole(percent, 37 * 30, energy, [.. uses], [.. uses.Select(u => u.Item1).Distinct()]));
                }
                subject._closed.AddRange(subject._accumulator.CloseAll());
                long busy = subject._closed.Sum(i => i.BusyMs);
                // Each of at most eight parts carries less than a millisecond over to an interval that does not come.
                busy.Should().BeInRange(percentMs / 100 - 8, percentMs / 100);
            })
            .QuickCheckThrowOnFailure();
    }

    /// <summary>
    /// Lost and returning devices, MIG reconfiguration, missing drivers, reset counters, pods that reuse names, arbitrary processes and
    /// clock jumps. No device or interval is busy longer than its time, no pod has two intervals of a device at once, and energy is never
    /// negative.
    /// </summary>
    [Fact]
    public void Device_is_never_busy_longer_than_the_time_that_passed()
    {
        var step = Gen.Zip(
            Gen.Elements(1000, 1000, 1000, 400, 2500, 9000, 10_000, 45_000, -5000, 0),
            Gen.Zip(
                Gen.Zip(Gen.Choose(0, 11), Gen.Choose(0, 100)),
                Gen.Zip(Gen.Choose(0, 4).ListOf(3), Gen.Zip(Gen.Choose(0, 7), Gen.Choose(0, 100)).ListOf(4))
            )
        );
        Prop.ForAll(step.ListOf(60).ToArbitrary(), steps =>
            {
                var subject = new UsageAccumulator();
                var knowledge = new PodKnowledge(
                    (_, name, _) => name == "d" ? null : "uid-" + name,
                    pid =>
                        pid switch
                        {
                            0 or 1 or 2 => Pod(((char)('a' + pid)).ToString()),
                            3 => Pod("a2"),
                            4 => new(ProcessKind.Host),
                            5 => new(ProcessKind.MpsServer),
                            _ => ProcessOwner.Unknown,
                        },
                    uid => ("ns", uid["uid-".Length..][..1]),
                    (_, _) => false
                );
                var (now, all, energy) = (Start, new List<UsageInterval>(), 1_000_000L);
                foreach (var (ms, ((state, percent), (pods, uses))) in steps)
                {
                    now = now.AddMilliseconds(ms);
                    energy = state == 8 ? 50 : energy + 300 * Math.Max(ms, 0);
                    var whole = new GpuReading
                    {
                        Uuid = Gpu,
                        Minor = 0,
                        UtilizationPercent = percent,
                        EnergyMillijoules = state == 9 ? null : energy,
                        PowerMilliwatts = 300_000,
                    };
                    var busy = whole with
                    {
                        Processes = [.. uses.Select(u => new GpuProcess(u.Item1, null)).Distinct()],
                        ProcessUse = [.. uses.Select(u => new GpuProcessUse(u.Item1, u.Item2, now))],
                    };
                    GpuReading[] readings = state switch
                    {
                        0 =>
                        [
                            new GpuReading
                            {
                                Uuid = Gpu,
                                Minor = 0,
                                Lost = true,
                            },
                        ],
                        1 => [],
                        2 or 3 =>
                        [
                            whole with
                            {
                                Mig = true,
                                Slices = 7,
                                UtilizationPercent = null,
                            },
                            new GpuReading
                            {
                                Uuid = "MIG-5c1",
                                ParentUuid = Gpu,
                                Minor = 0,
                                GpuInstance = 3,
                                Slices = 2,
                                UtilizationPercent = state == 3 ? percent : null,
                                Processes = busy.Processes,
                            },
                        ],
                        4 => [whole with { UtilizationPercent = null }],
                        // A reader that returns a device twice must not double its activity.
                        5 => [busy, busy],
                        _ => [busy],
                    };
                    var gpus = new GpuSnapshot(readings.Length == 0 ? NvmlState.NoDriver : NvmlState.Ready, "", readings);
                    PodDevice[] listed =
                    [
                        .. pods.Select(
                            (pod, i) =>
                                new PodDevice(
                                    "ns",
                                    ((char)('a' + pod)).ToString(),
                                    "c",
                                    "nvidia.com/gpu",
                                    state is 2 or 3 && i == 0 ? "MIG-5c1"
                                        : pod % 2 == 0 ? Gpu
                                        : $"{Gpu}::{i}"
                                )
                        ),
                    ];
                    all.AddRange(subject.Record(now, DeviceHoldings.Create(listed, gpus, knowledge), gpus, knowledge.OwnerOf));
                }
                all.AddRange(subject.CloseAll());

                long span = (long)(all.Count == 0 ? 0 : (all.Max(i => i.To) - Start).TotalMilliseconds);
                foreach (var device in all.GroupBy(i => i.Device))
                    device.Sum(i => i.BusyMs).Should().BeLessThanOrEqualTo(span, device.Key);
                foreach (var interval in all)
                {
                    interval.BusyMs.Should().BeInRange(0, (long)(interval.To - interval.From).TotalMilliseconds);
                    (interval.EnergyMj ?? 0).Should().BeGreaterThanOrEqualTo(0);
                }
                all.Sum(i => i.EnergyMj ?? 0)
                    .Should()
                    .BeLessThanOrEqualTo(2 * 300 * span + 1_000_000, "a device draws 300 W, and its slices a part of that");
                foreach (var held in all.Where(i => i.Pod.Length > 0).GroupBy(i => (i.Pod, i.PodUid, i.Device)))
                {
                    var ordered = held.OrderBy(i => i.From).ToList();
                    ordered.Skip(1).Zip(ordered).Should().NotContain(pair => pair.First.From < pair.Second.To, held.Key.ToString());
                }
            })
            .QuickCheckThrowOnFailure();
    }

    private static ProcessOwner Pod(string pod) => new(ProcessKind.Pod, "uid-" + pod);

    private void Shared(params string[] pods) =>
        _devices.AddRange(pods.Select((pod, i) => new PodDevice("ns", pod, "c", "nvidia.com/gpu", $"{Gpu}::{i}")));

    private static GpuSnapshot Whole(
        int percent,
        long energy = 0,
        long? counter = null,
        (int Pid, int Sm)[]? uses = null,
        int[]? pids = null
    ) =>
        new(
            NvmlState.Ready,
            "",
            [
                new GpuReading
                {
                    Uuid = Gpu,
                    Minor = 0,
                    UtilizationPercent = percent,
                    EnergyMillijoules = counter ?? energy,
                    Processes = [.. (pids ?? []).Select(pid => new GpuProcess(pid, pid * 1024L * 1024))],
                    ProcessUse = [.. (uses ?? []).Select(use => new GpuProcessUse(use.Pid, use.Sm, Start))],
                },
            ]
        );

    /// <summary>The second GPU is partitioned: a MIG device with 2 of 7 slices, GPU instance 3.</summary>
    private static GpuSnapshot Cut(long energy) =>
        new(
            NvmlState.Ready,
            "",
            [
                new GpuReading
                {
                    Uuid = Gpu,
                    Minor = 0,
                    UtilizationPercent = 10,
                },
                new GpuReading
                {
                    Uuid = "GPU-b",
                    Minor = 1,
                    Mig = true,
                    Slices = 7,
                    EnergyMillijoules = energy,
                },
                new GpuReading
                {
                    Uuid = "MIG-5c1",
                    ParentUuid = "GPU-b",
                    Minor = 1,
                    GpuInstance = 3,
                    Slices = 2,
                    MemoryUsedBytes = 3 * 1024 * 1024,
                },
            ]
        );

    private List<DeviceHolding> Holdings(GpuSnapshot gpus) => DeviceHoldings.Create(_devices, gpus, Knowledge);

    private PodKnowledge Knowledge =>
        new(
            (ns, name, _) => ns == "ns" ? "uid-" + name : null,
            pid => _processes.TryGetValue(pid, out var owner) ? owner : ProcessOwner.Unknown,
            uid => ("ns", uid["uid-".Length..]),
            (_, name) => _live.Contains(name)
        );

    private void Take(GpuSnapshot gpus)
    {
        _closed.AddRange(
            _accumulator.Record(_at, Holdings(gpus), gpus, Knowledge.OwnerOf, uid =>
                _unusedCache.TryGetValue(uid, out var bytes) ? bytes : null
            )
        );
        _at = _at.AddSeconds(1);
    }

    /// <summary>Repeats the snapshot for the given seconds and adds its energy each second.</summary>
    private void Run(int seconds, GpuSnapshot each)
    {
        long perSecond = each.Devices[0].EnergyMillijoules ?? 0;
        for (int second = 0; second <= seconds; second++)
            Take(each with { Devices = [each.Devices[0] with { EnergyMillijoules = perSecond * second }, .. each.Devices.Skip(1)] });
        _closed.AddRange(_accumulator.CloseAll());
    }

    private long Busy(string pod) => _closed.Where(i => i.Pod == pod).Sum(i => i.BusyMs);

    private long Energy(string pod) => _closed.Where(i => i.Pod == pod).Sum(i => i.EnergyMj ?? 0);
}
