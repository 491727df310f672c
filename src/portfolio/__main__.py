from portfolio.cli.main import main

main()
