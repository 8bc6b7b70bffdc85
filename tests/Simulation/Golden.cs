using System.Runtime.CompilerServices;

namespace Bursar.Tests.Simulation;

/// <summary>Compares a scenario's log with its file under Golden/. <c>BURSAR_UPDATE_GOLDEN=1</c> rewrites the file, for review.</summary>
internal static class Golden
{
    public static void Check(ScenarioWorld world, [CallerMemberName] string name = "", [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, "Golden", name + ".scenario.txt");
        var text = world.Log.ToString();
        if (Environment.GetEnvironmentVariable("BURSAR_UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        text.Should().Be(File.ReadAllText(path));
    }
}
