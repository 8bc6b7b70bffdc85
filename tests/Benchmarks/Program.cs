using Bursar.Tests.Benchmarks;

// Each measured part runs in its own process, so that its memory and CPU time are its own. The parent fills the clusters, starts the parts
// one after the other and prints the table.
using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, press) =>
{
    press.Cancel = true;
    interrupted.Cancel();
};
var ct = interrupted.Token;
return args switch
{
    ["serve", var pods] => await SandboxProcess.RunAsync(int.Parse(pods), ct),
    ["read", var kubeconfig] => await ReaderProcess.RunAsync(kubeconfig, ct),
    ["write", var kubeconfig] => await WriterProcess.RunAsync(kubeconfig, ct),
    ["pass", var kubeconfig] => await PassProcess.RunAsync(kubeconfig, ct),
    ["replay", var traces] => ReplayProcess.Run(traces),
    ["decisions"] => DecisionProcess.Run(),
    ["ledger"] => LedgerProcess.Run(),
    ["parse"] => ParseProcess.Run(),
    ["scrape"] => ScrapeProcess.Run(),
    ["scalers"] => await ScalersProcess.RunAsync(ct),
    _ => await Suite.RunAsync(SuiteOptions.Parse(args), ct),
};
