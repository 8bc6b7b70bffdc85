using System.Diagnostics;
using System.Runtime;

namespace Bursar.Tests.Benchmarks;

/// <summary>The memory and CPU time of this process.</summary>
internal static class OwnProcess
{
    public static TimeSpan Cpu => Process.GetCurrentProcess().TotalProcessorTime;

    /// <summary>Bytes of <c>VmRSS</c>, <c>RssAnon</c>, ... of this process or another.</summary>
    public static long Status(string name, int? process = null)
    {
        foreach (var line in File.ReadLines($"/proc/{process?.ToString() ?? "self"}/status"))
            if (line.StartsWith(name, StringComparison.Ordinal) && line[name.Length] == ':')
                return long.Parse(line[(name.Length + 1)..].Replace("kB", "", StringComparison.Ordinal).Trim()) * 1024;
        throw new InvalidOperationException($"a process's status has no {name}");
    }

    /// <summary>The managed heap after everything that is free has been collected.</summary>
    public static long Heap()
    {
        for (var i = 0; i < 2; i++)
        {
            GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
