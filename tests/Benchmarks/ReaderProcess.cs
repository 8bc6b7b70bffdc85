using System.Diagnostics;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.Benchmarks;

/// <summary>A client of a filled cluster that reads its pods: listed, cached and followed.</summary>
internal static class ReaderProcess
{
    private const int Rounds = 4;

    /// <summary>More than of lists: a thousand updates are soon over, and the JIT is at work in the first.</summary>
    private const int UpdateRounds = 9;
    private const int PageSize = 500;

    public static async Task<int> RunAsync(string kubeconfig, CancellationToken ct)
    {
        var config = KubeConfig.FromFile(kubeconfig);
        using var client = new KubeClient(config);
        using var api = ApiConnection.Parse(config);
        await CacheAsync(client, kubeconfig, ct);
        await ListAgainstRawAsync(client, api, ct);
        Console.WriteLine("end");
        return 0;
    }

    /// <summary>Reads the same pages alternately discarded and decoded, so that other load on the machine affects both.</summary>
    private static async Task ListAgainstRawAsync(KubeClient client, ApiConnection api, CancellationToken ct)
    {
        double raw = double.MaxValue,
            decoded = double.MaxValue,
            rawCpu = double.MaxValue,
            decodedCpu = double.MaxValue;
        long bytes = 0;
        var pods = 0;
        for (var round = 0; round <= Rounds; round++)
        {
            var (rawWall, rawBurned) = await MeasureAsync(async () => bytes = await api.DrainAsync("/api/v1/pods", PageSize, ct));
            var (wall, burned) = await MeasureAsync(async () =>
                pods = (await client.ListAsync<V1Pod>(new() { Limit = PageSize }, ct)).Items.Count
            );
            // The first round warms both up.
            if (round == 0)
                continue;
            (raw, rawCpu) = (Math.Min(raw, rawWall), Math.Min(rawCpu, rawBurned));
            (decoded, decodedCpu) = (Math.Min(decoded, wall), Math.Min(decodedCpu, burned));
        }
        ChildProcess.Tell("pods", pods);
        ChildProcess.Tell("bytesPerPod", (double)bytes / pods);
        ChildProcess.Tell("rawSeconds", raw);
        ChildProcess.Tell("decodedSeconds", decoded);
        ChildProcess.Tell("rawCpu", rawCpu);
        ChildProcess.Tell("decodedCpu", decodedCpu);
    }

    private static async Task CacheAsync(KubeClient client, string kubeconfig, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var before = OwnProcess.Heap();
        var informer = new Informer<V1Pod>(client);
        var seen = 0;
        informer.AddHandler(new() { Updated = (_, _) => Interlocked.Increment(ref seen) });
        var running = informer.RunAsync(stop.Token);
        await informer.HasSyncedAsync(ct);
        ChildProcess.Tell("heapPerPod", (double)(OwnProcess.Heap() - before) / informer.Store.Count);
        ChildProcess.Tell("resident", OwnProcess.Status("VmRSS"));

        await using var writer = ChildProcess.Start("write", kubeconfig);
        var least = double.MaxValue;
        for (var round = 0; round < UpdateRounds; round++)
        {
            var from = OwnProcess.Cpu;
            var goal = Volatile.Read(ref seen) + WriterProcess.Updates;
            await writer.SayAsync("go");
            await writer.HearAsync(ct);
            var limit = Stopwatch.StartNew();
            while (Volatile.Read(ref seen) < goal)
            {
                if (limit.Elapsed > TimeSpan.FromSeconds(30))
                    throw new TimeoutException($"{Volatile.Read(ref seen)} of {goal} updates were seen");
                await Task.Delay(10, ct);
            }
            if (round > 0)
                least = Math.Min(least, (OwnProcess.Cpu - from).TotalSeconds);
        }
        ChildProcess.Tell("updatesCpu", least);
        await stop.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task<(double Wall, double Cpu)> MeasureAsync(Func<Task> work)
    {
        GC.Collect();
        var cpu = OwnProcess.Cpu;
        var clock = Stopwatch.StartNew();
        await work();
        return (clock.Elapsed.TotalSeconds, (OwnProcess.Cpu - cpu).TotalSeconds);
    }
}
