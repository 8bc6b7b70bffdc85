using Bursar.Agent.Nvml;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Integration.Agent;

public sealed class NvmlGpuReaderTests
{
    private readonly VirtualTimeProvider _time = new(AgentClock.Start);

    [Fact]
    public void Missing_library_is_a_state_with_a_clear_message()
    {
        using var reader = new NvmlGpuReader("/nowhere/libnvidia-ml.so.1", _time);

        var snapshot = reader.Read();

        snapshot.State.Should().Be(NvmlState.NoLibrary);
        snapshot.StateText.Should().Contain("/nowhere/libnvidia-ml.so.1");
        snapshot.Devices.Should().BeEmpty();
    }

    [SkippableFact]
    public void Reader_reads_every_figure_of_a_device()
    {
        using var stub = TwoGpus();
        stub.Set("util.0", 40)
            .Set("energy.0", 123456)
            .Set("processes.0", 2)
            .Set("stamp.0", 1_700_000_000_000_000)
            .Set("total.0", 17_179_869_184)
            .Set("used.0", 5_000_000_000);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var snapshot = reader.Read();

        snapshot.State.Should().Be(NvmlState.Ready, snapshot.StateText);
        snapshot.Devices.Should().HaveCount(2);
        snapshot
            .Devices[0]
            .Should()
            .BeEquivalentTo(
                new GpuReading
                {
                    Uuid = "GPU-a",
                    Name = "Stub V100",
                    Minor = 0,
                    UtilizationPercent = 40,
                    MemoryTotalBytes = 17_179_869_184,
                    MemoryUsedBytes = 5_000_000_000,
                    TemperatureCelsius = 61,
                    PowerMilliwatts = 250_000,
                    EnergyMillijoules = 123_456,
                    Processes = [new GpuProcess(1000, null), new GpuProcess(1001, 1024)],
                    ProcessUse = [new GpuProcessUse(1000, 33, DateTimeOffset.FromUnixTimeSeconds(1_700_000_000))],
                }
            );
        reader.Read().Devices[0].ProcessUse.Should().BeEmpty("NOT_FOUND since the last stamp means idle");
    }

    [SkippableTheory]
    [InlineData("ORDINARY")]
    [InlineData("R470")]
    [InlineData("R535")]
    public void Process_lists_are_read_at_the_drivers_own_stride_while_they_grow(string macro)
    {
        using var stub = TwoGpus(macro);
        stub.Set("processes.0", 40).Set("growing.0", 60);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var processes = reader.Read().Devices[0].Processes;

        processes.Select(p => p.Pid).Should().Equal(Enumerable.Range(1000, 100));
        processes.Skip(1).Select(p => p.MemoryBytes).Should().Equal(Enumerable.Range(1, 99).Select(i => (long?)(1024 * i)));
    }

    [SkippableFact]
    public void Missing_symbols_make_only_their_figures_absent()
    {
        using var stub = TwoGpus("BARE");
        stub.Set("util.0", 5);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var device = reader.Read().Devices[0];

        device
            .Should()
            .BeEquivalentTo(
                new GpuReading
                {
                    Uuid = "GPU-a",
                    Name = "Stub V100",
                    UtilizationPercent = 5,
                    MemoryTotalBytes = 1000,
                    MemoryUsedBytes = 600,
                }
            );
    }

    [SkippableFact]
    public void Device_in_mig_mode_has_no_utilisation()
    {
        using var stub = TwoGpus();
        stub.Set("mig.0", 1).Set("util.0", 99);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var device = reader.Read().Devices[0];

        device.Mig.Should().BeTrue();
        device.UtilizationPercent.Should().BeNull();
    }

    [SkippableFact]
    public void Lost_gpu_is_marked_and_the_others_are_read_on_until_it_returns()
    {
        using var stub = TwoGpus();
        stub.Set("util.1", 80);
        using var reader = new NvmlGpuReader(stub.Library, _time);
        reader.Read();

        stub.Set("lost.0", 1);
        var during = reader.Read();
        stub.Set("lost.0", 0);
        _time.Advance(NvmlGpuReader.LostRetryAfter);
        var after = reader.Read();

        during.State.Should().Be(NvmlState.Ready);
        during
            .Devices[0]
            .Should()
            .BeEquivalentTo(
                new GpuReading
                {
                    Uuid = "GPU-a",
                    Name = "Stub V100",
                    Minor = 0,
                    Lost = true,
                }
            );
        during.Devices[1].UtilizationPercent.Should().Be(80);
        after.Devices[0].Lost.Should().BeFalse();
    }

    [SkippableFact]
    public void Driver_that_is_not_loaded_is_a_state_and_is_found_when_it_returns()
    {
        using var stub = TwoGpus();
        stub.Set("init", 9);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var before = reader.Read();
        stub.Set("init", 0);
        var tooEarly = reader.Read();
        _time.Advance(NvmlGpuReader.RetryAfter);
        var ready = reader.Read();
        stub.Set("alive", 0);
        var gone = reader.Read();
        stub.Set("alive", 1);
        _time.Advance(NvmlGpuReader.RetryAfter);
        var back = reader.Read();

        before.State.Should().Be(NvmlState.NoDriver);
        before.StateText.Should().Contain("Driver Not Loaded");
        tooEarly.State.Should().Be(NvmlState.NoDriver);
        ready.State.Should().Be(NvmlState.Ready);
        gone.State.Should().Be(NvmlState.NoDriver);
        back.Devices.Select(d => d.Uuid).Should().Equal("GPU-a", "GPU-b");
    }

    /// <summary>
    /// A driver is replaced under a running agent: the loaded library is of the old one, and the new one's lies in its place.
    /// </summary>
    [SkippableFact]
    public void Library_of_an_upgraded_driver_is_loaded()
    {
        using var old = TwoGpus();
        using var upgraded = TwoGpus().Set("uuid.0", "GPU-new");
        using var reader = new NvmlGpuReader(old.Library, _time);
        reader.Read().State.Should().Be(NvmlState.Ready);
        old.Set("init", 18).Set("alive", 0);
        reader.Read().State.Should().Be(NvmlState.NoDriver);
        _time.Advance(NvmlGpuReader.RetryAfter);
        reader.Read().State.Should().Be(NvmlState.NoDriver, "the new library is not there yet");

        File.Copy(upgraded.Library, old.Library + ".new");
        File.Move(old.Library + ".new", old.Library, overwrite: true);
        _time.Advance(NvmlGpuReader.RetryAfter);

        reader.Read().Devices[0].Uuid.Should().Be("GPU-new");
    }

    [SkippableFact]
    public void Memory_call_passes_the_packed_version_and_excludes_driver_reserved_memory()
    {
        // The stub refuses every other version with ARGUMENT_VERSION_MISMATCH, as the driver does; version 1 would answer 600.
        using var stub = TwoGpus();
        stub.Set("used.0", 500);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        reader.Read().Devices[0].MemoryUsedBytes.Should().Be(500);
    }

    [SkippableFact]
    public void Mig_devices_are_separate_readings_and_empty_slots_are_skipped()
    {
        using var stub = Cut();
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var snapshot = reader.Read();

        snapshot.StateText.Should().Be("driver 550.54, 2 GPUs, 2 MIG devices");
        snapshot.Devices.Select(d => d.Uuid).Should().Equal("GPU-a", "MIG-x", "MIG-y", "GPU-b");
        snapshot
            .Devices[0]
            .Should()
            .Match<GpuReading>(d =>
                d.Mig && d.Slices == 7 && d.UtilizationPercent == null && d.PowerMilliwatts == 250_000 && d.EnergyMillijoules == 5000
            );
        snapshot
            .Devices[2]
            .Should()
            .BeEquivalentTo(
                new GpuReading
                {
                    Uuid = "MIG-y",
                    Name = "Stub V100",
                    ParentUuid = "GPU-a",
                    Minor = 0,
                    GpuInstance = 9,
                    ComputeInstance = 0,
                    Slices = 2,
                    MemoryTotalBytes = 1000,
                    MemoryUsedBytes = 77,
                    Processes = [new GpuProcess(70, null), new GpuProcess(71, 1024)],
                },
                "power, energy and temperature are the physical GPU's, and utilisation is not supported"
            );
    }

    [SkippableTheory]
    [InlineData("uuid.0.3", "", "its slot is empty")]
    [InlineData("rc.slot.0.3", "2", "the instance is being unmade")]
    [InlineData("rc.memory.0.3", "2", "the handle died between two calls")]
    public void Mig_device_that_vanishes_is_gone_and_the_others_are_read_on(string key, string value, string because)
    {
        using var stub = Cut();
        using var reader = new NvmlGpuReader(stub.Library, _time);
        reader.Read();

        stub.Set(key, value);
        var after = reader.Read();

        after.State.Should().Be(NvmlState.Ready);
        after.Devices.Select(d => d.Uuid).Should().Equal(["GPU-a", "MIG-x", "GPU-b"], because);
    }

    [SkippableFact]
    public void Slot_that_is_cut_anew_is_another_device()
    {
        using var stub = Cut();
        using var reader = new NvmlGpuReader(stub.Library, _time);
        reader.Read();

        stub.Set("uuid.0.3", "MIG-z").Set("slices.0.3", 4).Set("gi.0.3", 2);

        reader.Read().Devices.Single(d => d.Uuid == "MIG-z").Should().Match<GpuReading>(d => d.Slices == 4 && d.GpuInstance == 2);
    }

    [SkippableFact]
    public void Calls_that_are_not_supported_under_mig_are_not_made_on_a_gpu_that_is_cut()
    {
        using var stub = Cut();
        var times = new NvmlCallTimes(TimeProvider.System);
        stub.Set("mig.1", 1);
        using var reader = new NvmlGpuReader(stub.Library, _time, times);

        reader.Read().Devices.Should().OnlyContain(d => d.UtilizationPercent == null && d.ProcessUse.Count == 0);

        times.All.Select(c => c.Call).Should().NotContain(["nvmlDeviceGetUtilizationRates", "nvmlDeviceGetProcessUtilization"]);
    }

    [SkippableFact]
    public void Old_drivers_names_of_mig_devices_are_read()
    {
        using var stub = Cut();
        stub.Set("uuid.0.3", "MIG-GPU-a/9/0");
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var id = Bursar.Agent.PodResources.DeviceId.Parse("MIG-GPU-a/9/0");

        id.Kind.Should().Be(Bursar.Agent.PodResources.DeviceKind.Mig);
        id.Find(reader.Read().Devices)!.GpuInstance.Should().Be(9);
    }

    [SkippableFact]
    public void Gpu_that_may_not_be_read_is_counted_by_the_driver_and_is_not_lost()
    {
        using var stub = TwoGpus();
        stub.Set("rc.handle.0", 4);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var snapshot = reader.Read();

        snapshot.Devices.Select(d => d.Uuid).Should().Equal("GPU-b");
        snapshot.StateText.Should().EndWith("1 GPUs, 1 that the driver does not let be read");
        stub.Set("rc.handle.0", 0);
        reader.Read().Devices.Select(d => d.Uuid).Should().Equal("GPU-a", "GPU-b");
    }

    [SkippableFact]
    public void Busy_and_idle_processes_on_one_gpu_are_distinguished()
    {
        using var stub = TwoGpus();
        stub.Set("util.0", 80).Set("pids.0", "41,42").Set("sm.0", "41:78").Set("stamp.0", 1_700_000_000_000_000);
        using var reader = new NvmlGpuReader(stub.Library, _time);

        var device = reader.Read().Devices[0];

        device.Processes.Select(p => p.Pid).Should().Equal(41, 42);
        device
            .ProcessUse.Should()
            .ContainSingle()
            .Which.Should()
            .Match<GpuProcessUse>(u => u.Pid == 41 && u.SmPercent == 78, "only processes with use are listed");
    }

    /// <summary>
    /// Records that the driver leaves in its list: one older than requested, one above a hundred percent, and one from the future, after
    /// which no record would ever be newer.
    /// </summary>
    [SkippableFact]
    public void Records_of_use_that_are_none_are_left_out()
    {
        long now = _time.GetUtcNow().ToUnixTimeMilliseconds() * 1000;
        using var stub = TwoGpus();
        stub.Set("stamp.0", now - 10).Set("sm.0", $"41:60,42:4026531840,43:50:{ulong.MaxValue},44:20:{now - 20}");
        using var reader = new NvmlGpuReader(stub.Library, _time);

        reader.Read().Devices[0].ProcessUse.Select(u => (u.Pid, u.SmPercent)).Should().Equal((41, 60), (44, 20));
        stub.Set("stamp.0", now).Set("sm.0", $"41:70,44:20:{now - 20}");
        reader.Read().Devices[0].ProcessUse.Select(u => (u.Pid, u.SmPercent)).Should().Equal((41, 70));
    }

    /// <summary>The driver stamps with the node's clock: set back by an hour, an hour would pass before anything was newer.</summary>
    [SkippableFact]
    public void Clock_that_was_set_back_does_not_end_the_measure_of_processes()
    {
        long now = _time.GetUtcNow().ToUnixTimeMilliseconds() * 1000;
        using var stub = TwoGpus();
        stub.Set("stamp.0", now - 10).Set("sm.0", "41:60");
        using var reader = new NvmlGpuReader(stub.Library, _time);
        reader.Read();

        _time.SkewWall(TimeSpan.FromHours(-1));
        stub.Set("stamp.0", now - 3_600_000_000 + 5);

        reader.Read().Devices[0].ProcessUse.Select(u => u.Pid).Should().Equal(41);
    }

    /// <summary>After a reload of the driver every handle may answer "unknown" for ever: only a new start of the library helps.</summary>
    [SkippableFact]
    public void Device_that_answers_only_unknown_is_lost_until_the_library_is_restarted()
    {
        using var stub = TwoGpus();
        using var reader = new NvmlGpuReader(stub.Library, _time);
        reader.Read();

        stub.Set("rcall.0", 999);
        reader.Read().Devices.Select(d => (d.Uuid, d.Lost)).Should().Equal(("GPU-a", true), ("GPU-b", false));
        // The driver has another device in its place, which the old handle does not show.
        stub.Set("rcall.0", 0).Set("uuid.0", "GPU-c");
        _time.Advance(NvmlGpuReader.LostRetryAfter);

        reader.Read().Devices.Select(d => (d.Uuid, d.Lost)).Should().Equal(("GPU-c", false), ("GPU-b", false));
    }

    [SkippableFact]
    public void Clients_of_an_mps_server_are_processes_of_the_device()
    {
        using var stub = TwoGpus();
        stub.Set("pids.0", "40").Set("mps.0", "41,42");
        using var reader = new NvmlGpuReader(stub.Library, _time);

        reader.Read().Devices[0].Processes.Select(p => p.Pid).Should().Equal(40, 41, 42);
    }

    /// <summary>The first GPU is cut: 1 slice in slot 1, 2 slices in slot 3, the other slots are empty.</summary>
    private static StubNvml Cut() =>
        TwoGpus()
            .Set("mig.0", 1)
            .Set("energy.0", 5000)
            .Set("uuid.0.1", "MIG-x")
            .Set("gi.0.1", 7)
            .Set("uuid.0.3", "MIG-y")
            .Set("gi.0.3", 9)
            .Set("slices.0.3", 2)
            .Set("used.0.3", 77)
            .Set("pids.0.3", "70,71");

    private static StubNvml TwoGpus(params string[] macros) =>
        StubNvml.Build(macros).Set("count", 2).Set("uuid.0", "GPU-a").Set("uuid.1", "GPU-b");
}
