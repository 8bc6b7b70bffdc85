using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;

namespace Bursar.Agent.Dcgm;

/// <summary>
/// Reads NVML, and the dcgm-exporter for the rest: everything if NVML is unavailable, else the activity of MIG devices.
/// <see cref="GpuSnapshot.StateText"/> names the source.
/// </summary>
public sealed class SecondSource(IGpuReader nvml, IPodResources kubelet, DcgmExporter exporter) : IGpuReader, IPodResources
{
    private volatile bool _exporterUsed;

    public GpuSnapshot Read()
    {
        var first = nvml.Read();
        _exporterUsed = first.State != NvmlState.Ready;
        if (_exporterUsed)
        {
            var other = exporter.Read();
            return other with { StateText = $"{other.StateText} ({first.StateText})" };
        }
        if (!first.Devices.Any(d => d.ParentUuid is not null) || exporter.Read() is not { State: NvmlState.Ready } seen)
            return first;
        return first with
        {
            SkippedLines = seen.SkippedLines,
            StateText = $"{first.StateText}; activity of MIG devices by the dcgm-exporter",
            Devices =
            [
                .. first.Devices.Select(d =>
                    d.ParentUuid is null
                        ? d
                        : d with
                        {
                            UtilizationPercent = seen
                                .Devices.FirstOrDefault(s => s.ParentUuid == d.ParentUuid && s.GpuInstance == d.GpuInstance)
                                ?.UtilizationPercent,
                        }
                ),
            ],
        };
    }

    /// <summary>
    /// Returns the exporter's pods if its devices are used and it has pods, because the ids must match; else the kubelet's.
    /// </summary>
    public async Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken)
    {
        if (_exporterUsed && exporter.Read().State == NvmlState.Ready && await exporter.ListAsync(cancellationToken) is { Count: > 0 } pods)
            return pods;
        return await kubelet.ListAsync(cancellationToken);
    }

    public void Dispose()
    {
        // The caller disposes both readers.
    }
}
