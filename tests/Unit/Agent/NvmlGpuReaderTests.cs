using Bursar.Agent.Nvml;

namespace Bursar.Tests.Unit.Agent;

public sealed class NvmlGpuReaderTests
{
    private readonly ManualTime time = new();

    [Fact]
    public void No_library_is_a_state_with_a_clear_word()
    {
        using var reader = new NvmlGpuReader("/nowhere/libnvidia-ml.so.1", time);

        var snapshot = reader.Read();

        snapshot.State.Should().Be(NvmlState.NoLibrary);
        snapshot.Word.Should().Contain("/nowhere/libnvidia-ml.so.1");
        snapshot.Devices.Should().BeEmpty();
    }

    [SkippableFact]
    public void Reads_every_figure_of_a_device()
    {
        using var stub = TwoGpus();
        stub.Set("util.0", 40).Set("energy.0", 123456).Set("processes.0", 2).Set("stamp.0", 1_700_000_000_000_000).Set("total.0", 17_179_869_184).Set("used.0", 5_000_000_000);
        using var reader = new NvmlGpuReader(stub.Library, time);

        var snapshot = reader.Read();

        snapshot.State.Should().Be(NvmlState.Ready, snapshot.Word);
        snapshot.Devices.Should().HaveCount(2);
        snapshot.Devices[0].Should().BeEquivalentTo(new GpuReading
        {
            Uuid = "GPU-a",
            Name = "Stub V100",
            UtilizationPercent = 40,
            MemoryTotalBytes = 17_179_869_184,
            MemoryUsedBytes = 5_000_000_000,
            TemperatureCelsius = 61,
            PowerMilliwatts = 250_000,
            EnergyMillijoules = 123_456,
            Processes = [new GpuProcess(1000, null), new GpuProcess(1001, 1024)],
            ProcessUse = [new GpuProcessUse(1000, 33, DateTimeOffset.FromUnixTimeSeconds(1_700_000_000))],
        });
        reader.Read().Devices[0].ProcessUse.Should().BeEmpty("NOT_FOUND since the last stamp means idle");
    }

    [SkippableTheory]
    [InlineData("ORDINARY")]
    [InlineData("R535")]
    public void Process_lists_are_read_at_the_drivers_own_stride_while_they_grow(string macro)
    {
        using var stub = TwoGpus(macro);
        stub.Set("processes.0", 40).Set("growing.0", 60);
        using var reader = new NvmlGpuReader(stub.Library, time);

        var processes = reader.Read().Devices[0].Processes;

        processes.Select(p => p.Pid).Should().Equal(Enumerable.Range(1000, 100));
        processes.Skip(1).Select(p => p.MemoryBytes).Should().Equal(Enumerable.Range(1, 99).Select(i => (long?)(1024 * i)));
    }

    [SkippableFact]
    public void Missing_symbols_leave_figures_absent_and_nothing_else()
    {
        using var stub = TwoGpus("BARE");
        stub.Set("util.0", 5);
        using var reader = new NvmlGpuReader(stub.Library, time);

        var device = reader.Read().Devices[0];

        device.Should().BeEquivalentTo(new GpuReading
        {
            Uuid = "GPU-a",
            Name = "Stub V100",
            UtilizationPercent = 5,
            MemoryTotalBytes = 1000,
            MemoryUsedBytes = 600,
        });
    }

    [SkippableFact]
    public void A_device_in_mig_mode_has_no_utilisation()
    {
        using var stub = TwoGpus();
        stub.Set("mig.0", 1).Set("util.0", 99);
        using var reader = new NvmlGpuReader(stub.Library, time);

        var device = reader.Read().Devices[0];

        device.Mig.Should().BeTrue();
        device.UtilizationPercent.Should().BeNull();
    }

    [SkippableFact]
    public void A_lost_gpu_is_marked_and_the_others_are_read_on_until_it_returns()
    {
        using var stub = TwoGpus();
        stub.Set("util.1", 80);
        using var reader = new NvmlGpuReader(stub.Library, time);
        reader.Read();

        stub.Set("lost.0", 1);
        var during = reader.Read();
        stub.Set("lost.0", 0);
        time.Advance(NvmlGpuReader.LostRetryAfter);
        var after = reader.Read();

        during.State.Should().Be(NvmlState.Ready);
        during.Devices[0].Should().BeEquivalentTo(new GpuReading { Uuid = "GPU-a", Name = "Stub V100", Lost = true });
        during.Devices[1].UtilizationPercent.Should().Be(80);
        after.Devices[0].Lost.Should().BeFalse();
    }

    [SkippableFact]
    public void A_driver_that_is_not_loaded_is_a_state_and_is_found_when_it_returns()
    {
        using var stub = TwoGpus();
        stub.Set("init", 9);
        using var reader = new NvmlGpuReader(stub.Library, time);

        var before = reader.Read();
        stub.Set("init", 0);
        var tooEarly = reader.Read();
        time.Advance(NvmlGpuReader.RetryAfter);
        var ready = reader.Read();
        stub.Set("alive", 0);
        var gone = reader.Read();
        stub.Set("alive", 1);
        time.Advance(NvmlGpuReader.RetryAfter);
        var back = reader.Read();

        before.State.Should().Be(NvmlState.NoDriver);
        before.Word.Should().Contain("Driver Not Loaded");
        tooEarly.State.Should().Be(NvmlState.NoDriver);
        ready.State.Should().Be(NvmlState.Ready);
        gone.State.Should().Be(NvmlState.NoDriver);
        back.Devices.Select(d => d.Uuid).Should().Equal("GPU-a", "GPU-b");
    }

    private static StubNvml TwoGpus(params string[] macros) =>
        StubNvml.Build(macros).Set("count", 2).Set("uuid.0", "GPU-a").Set("uuid.1", "GPU-b");
}
