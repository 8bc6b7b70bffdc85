using System.Runtime.CompilerServices;

namespace Bursar.Tests.Simulation;

/// <summary>Compares a story with its text under Golden/; <c>BURSAR_UPDATE_GOLDEN=1</c> writes it anew, for a person to review.</summary>
internal static class Golden
{
    public static void Check(StoryWorld world, [CallerMemberName] string name = "", [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, "Golden", name + ".story.txt");
        var text = world.Log.ToString();
        if (Environment.GetEnvironmentVariable("BURSAR_UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        text.Should().Be(File.ReadAllText(path));
    }
}
